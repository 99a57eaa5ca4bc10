package http1

import (
	"fmt"
	"strings"
	"testing"

	"casbah/engine"

	"pgregory.net/rapid"
)

// dialogue is a client's octets and the responses of the servers, in order.
type dialogue struct {
	requests  []string
	responses []string
}

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
}

var sampleResponses = []string{
	ok,
	offer,
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n" + ok,
	"HTTP/1.1 200 Success\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("0123456789", 3000),
	"HTTP/1.1 200 OK\r\nUpgrade: h2\r\n\r\nto the end",
	"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
	"nonsense\r\n\r\n",
}

// play runs the dialogue and tells what came of it. Cut says into which parts
// each octet string is cut.
func (g *dialogue) play(tb testing.TB, cut func(string) []string) string {
	tb.Helper()
	s := newSite(tb)
	f := s.open(tb)
	core, _ := f.core.(*Conn)
	for _, part := range cut(strings.Join(g.requests, "")) {
		f.fromClient(part)
	}
	for _, resp := range g.responses {
		if core.x == nil || core.x.up == nil {
			break
		}
		if string(core.x.req.Method) == "HEAD" {
			resp = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" // a body would belong to no request
		}
		leg := f.legs[core.x.up.leg]
		for _, part := range cut(resp) {
			f.recv(leg, part)
		}
		if core.x != nil && core.x.up != nil && core.x.up.leg == leg.id {
			f.end(leg, nil)
		}
	}
	f.end(f.client(), errReset)
	s.idle(tb)
	var b strings.Builder
	fmt.Fprintf(&b, "client %v %q\n", f.client().how, f.client().sent)
	for _, l := range f.log {
		if l.how == engine.Reset {
			fmt.Fprintf(&b, "%s reset\n", l.endpoint.Name) // how far it came depends on the time
			continue
		}
		fmt.Fprintf(&b, "%s %v %q\n", l.endpoint.Name, l.how, l.sent)
	}
	for _, r := range s.records {
		fmt.Fprintf(&b, "%s %s %s %d %v out %d\n", r.Method, r.Path, r.Server, r.Status, r.End, r.Out)
	}
	return b.String()
}

func whole(s string) []string { return []string{s} }

func octets(s string) []string { return strings.Split(s, "") }

func TestSplitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := dialogue{
			requests:  rapid.SliceOfN(rapid.SampledFrom(sampleRequests), 1, 4).Draw(t, "requests"),
			responses: rapid.SliceOfN(rapid.SampledFrom(sampleResponses), 4, 4).Draw(t, "responses"),
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 60), 1, 20).Draw(t, "sizes")
		cut := func(s string) (parts []string) {
			for i := 0; s != ""; i++ {
				n := min(sizes[i%len(sizes)], len(s))
				parts, s = append(parts, s[:n]), s[n:]
			}
			return parts
		}
		tb := new(testing.T)
		if one, other := g.play(tb, whole), g.play(tb, cut); one != other || tb.Failed() {
			t.Fatalf("whole:\n%s\ncut:\n%s", one, other)
		}
	})
}

func TestOctetByOctet(t *testing.T) {
	for i, req := range sampleRequests {
		for j, resp := range sampleResponses {
			g := dialogue{requests: []string{req, get}, responses: []string{resp, ok}}
			if one, other := g.play(t, whole), g.play(t, octets); one != other {
				t.Errorf("request %d, response %d: whole:\n%s\noctets:\n%s", i, j, one, other)
			}
		}
	}
}
