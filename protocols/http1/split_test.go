package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var sampleRequests = []string{
	get,
	request("/ews", "Authorization: NTLM TlRM"),
	request("/ews", "Authorization: Basic YTpi"),
	request("/nowhere", ""),
	request("/", ""),
	"\r\n" + request("/oab", "Connection: close, x-hop\r\nX-Hop: 1"),
	"HEAD /owa HTTP/1.1\r\nHost: a\r\n\r\n",
	get10,
	"POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"POST /oab HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("0123456789", 2000),
	"RPC_IN_DATA /rpc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
	"POST /ews HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
	"POST /ews HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
	"GET /owa/..;/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /owa/%2e./ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /owa HTTP/1.1\nHost: a\r\n\r\n",
	"GET /owa HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET /owa HTTP/3.0\r\nHost: a\r\n\r\n",
	wsAsk,
	"POST /owa HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	"GET /oab HTTP/1.1\r\nHost: a\r\nCookie: UserContext=1\r\n\r\n",
}

var sampleResponses = []string{
	ok,
	offer,
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n" + ok,
	"HTTP/1.1 103 Early Hints\r\nLink: </owa/themes/base.css>\r\n\r\nHTTP/1.1 204 \r\n\r\n",
	"HTTP/1.1 200 Success\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("0123456789", 3000),
	"HTTP/1.1 200 OK\r\nUpgrade: h2\r\n\r\nto the end",
	"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
	"nonsense\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes",
	"HTTP/1.1 200 OK\r\nSet-Cookie: UserContext=1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc!\r\n",
	"",
}

// differs plays sc by octets and in pieces, and returns both outcomes unless they
// are the same.
func (sc *scene) differs(tb testing.TB, pieces []byte) string {
	tb.Helper()
	first := sc.byOctets(tb)
	second := sc.inPieces(tb, first, pieces)
	one, other := first.leave(), second.leave()
	first.site.idle(tb)
	second.site.idle(tb)
	if one.same(other) {
		return ""
	}
	return fmt.Sprintf("octet by octet:\n%v\nin pieces:\n%v", one, other)
}

func TestOctetByOctet(t *testing.T) {
	for _, req := range sampleRequests {
		for _, resp := range sampleResponses {
			for _, r := range []reaction{
				{text: []byte(resp)}, {text: []byte(resp), early: true}, {text: []byte(resp), ends: closes}, {text: []byte(resp), early: true, ends: resets},
			} {
				sc := scene{requests: []byte(req + get), reactions: []reaction{r, {text: []byte(ok)}}, half: true}
				if diff := sc.differs(t, nil); diff != "" {
					t.Errorf("%q is answered by %q (early %v, then %d):\n%s", req, r.text, r.early, r.ends, diff)
				}
			}
		}
	}
}

func TestSplitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := scene{
			requests: []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(sampleRequests), 1, 4).Draw(t, "requests"), "")),
			refused:  rapid.SampledFrom([]byte{0, 0, 1, 2, 4, 255}).Draw(t, "refused"),
			fullAt:   rapid.SampledFrom([]int{0, 1, 50, 5000}).Draw(t, "full"),
			sticky:   rapid.Bool().Draw(t, "sticky"),
			rated:    rapid.Bool().Draw(t, "rated"),
			half:     rapid.Bool().Draw(t, "half"),
		}
		for _, text := range rapid.SliceOfN(rapid.SampledFrom(sampleResponses), 4, 4).Draw(t, "responses") {
			sc.reactions = append(sc.reactions, reaction{
				text: []byte(text), early: rapid.Bool().Draw(t, "early"),
				ends: rapid.SampledFrom([]ending{stays, stays, closes, resets}).Draw(t, "ends"),
			})
		}
		tb := new(testing.T)
		if diff := sc.differs(tb, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "pieces")); diff != "" || tb.Failed() {
			t.Fatal(diff)
		}
	})
}

// sceneOf reads a scene of fuzzed octets: what servers say is set apart by NUL;
// of the plan the first two octets are about all, each other about one reaction.
func sceneOf(requests, responses, plan []byte) scene {
	at := func(i int) byte {
		if i < len(plan) {
			return plan[i]
		}
		return 0
	}
	sc := scene{
		requests: requests, refused: at(1), fullAt: []int{0, 1, 50, 5000}[at(0)&3],
		sticky: at(0)&4 != 0, rated: at(0)&8 != 0, half: at(0)&16 != 0,
	}
	for i, text := range bytes.Split(responses, []byte{0}) {
		b := at(2 + i)
		sc.reactions = append(sc.reactions, reaction{text: text, early: b&1 != 0, ends: ending(b >> 1 % 3)})
	}
	return sc
}

// FuzzSplits: what comes of a dialogue does not depend on the pieces in which it
// comes, on how the pieces of client and servers stand to each other, nor on when
// peers take what they are sent and servers answer a dial.
func FuzzSplits(f *testing.F) {
	for i, req := range sampleRequests {
		for j, resp := range sampleResponses {
			if len(req)+len(resp) > 1000 && i+j > 20 {
				continue // the fuzzer is quicker with short ones
			}
			plan := []byte{byte(i*7 + j), 0, byte(i + j), byte(j)}
			pieces := bytes.Repeat([]byte{byte(i), 9, 6, 0, 3, byte(j), 5, 0, 7, byte(i)}, 10)
			f.Add([]byte(req+get), []byte(resp+"\x00"+ok), plan, pieces)
		}
	}
	f.Fuzz(func(t *testing.T, requests, responses, plan, pieces []byte) {
		if len(requests) > 24<<10 || len(responses) > 40<<10 {
			t.Skip("long inputs have nothing that short ones have not")
		}
		sc := sceneOf(requests, responses, plan)
		if diff := sc.differs(t, pieces); diff != "" {
			t.Fatal(diff)
		}
	})
}
