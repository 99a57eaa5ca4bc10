package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/internal/httphead"
	"casbah/protocols/rpchttp"
	"casbah/route"
)

// FuzzChunked: the split does not matter, what is accepted is a prefix, and a
// parser of another hand reads the same body to the same end.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"3\nabc\n0\n\n", "ffffffffffffffff\r\n", "3 \r\nabc\r\n0\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, p []byte, split int) {
		var one, two chunked
		n, done, err := one.scan(p)
		if n < 0 || n > len(p) || err != nil && done {
			t.Fatalf("scan = %d, %v, %v", n, done, err)
		}
		split = int(uint(split) % uint(len(p)+1))
		m, doneTwo, errTwo := two.scan(p[:split])
		if errTwo == nil && !doneTwo {
			var k int
			k, doneTwo, errTwo = two.scan(p[split:])
			m += k
		}
		if m != n || done != doneTwo || !errors.Is(errTwo, err) {
			t.Fatalf("split at %d: %d, %v, %v; want %d, %v, %v", split, m, doneTwo, errTwo, n, done, err)
		}
		if !done {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		r := bufio.NewReader(strings.NewReader(head + string(p)))
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			t.Skip(err) // net/http has limits of its own
		}
		rest, _ := io.ReadAll(r)
		if !bytes.Equal(rest, p[n:]) {
			t.Fatalf("the body ends elsewhere: %q is left, want %q", rest, p[n:])
		}
	})
}

// FuzzAuthorization: white space, letter case and what stands around a scheme
// do not hide it.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"NTLM " + ntlm3("E", "alice"), "Negotiate " + ticket + ",Kerberos x", "NTLM TlRM", "negotiate,ntlm", "Basic YTpi", "Basic realm=\"a, NTLM b\"", "\tKerberos", ",,Nego2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got := namesIdentity([]byte(v))
		if upper := namesIdentity([]byte(strings.ToUpper(v))); upper != got && isASCII(v) {
			t.Errorf("case matters in %q", v)
		}
		if !namesIdentity([]byte(v + ",Negotiate YII=")) {
			t.Errorf("Negotiate is not found behind %q", v)
		}
		if strings.HasPrefix(strings.ToLower(v), "ntlm ") && !got {
			t.Errorf("namesIdentity(%q) = false", v)
		}
		name, ok := claimed(make([]byte, 0, 512), []byte(v))
		if ok && (!got || len(name) == 0 || len(name) > 512) || !ok && len(name) > 0 {
			t.Errorf("%q names %q, %v", v, name, ok)
		}
		var id identity
		if id.take(name) || len(id.text()) > maxName || !bytes.HasPrefix(name, id.text()) || id.take(name) {
			t.Errorf("of %q %q is kept", name, id.text())
		}
		if ok && !id.take(append(name, 'x')) {
			t.Errorf("%qx is taken for the same user", name)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// FuzzPath: an accepted path has no other reading: decoded once, it has no dot
// segment, backslash or control, and as many slashes as before.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/owa/", "/a/%2e%2e/b", "/a%2fb", "/%u0041", "/a\\b", "/a/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		invisible := func(r rune) bool { return r <= ' ' || r > '~' } // refused by httphead
		if path == "" || path[0] != '/' || strings.IndexFunc(path, invisible) >= 0 || !plainPath([]byte(path)) {
			return
		}
		var decoded []byte
		for rest := []byte(path); len(rest) > 0; {
			c, n := decode(rest)
			decoded, rest = append(decoded, c), rest[n:]
		}
		if bytes.Count(decoded, []byte("/")) != strings.Count(path, "/") || bytes.ContainsAny(decoded, "\\\x00") {
			t.Errorf("%q has another reading: %q", path, decoded)
		}
		for seg := range strings.SplitSeq(string(decoded), "/") {
			if seg == "." || seg == ".." {
				t.Errorf("%q has a dot segment", path)
			}
		}
	})
}

// script plays fuzzed events on a connection. Each begins with an octet that
// says what happens, and one that says how much of the rest it takes.
func script(s *site, f *fake, events []byte) {
	for len(events) >= 2 && !f.client().closed {
		kind, n := events[0]%8, int(events[1])
		events = events[2:]
		data := events[:min(n, len(events))]
		switch kind {
		case 0, 1:
			f.fromClient(string(data))
			events = events[len(data):]
		case 2, 3:
			for id := engine.Leg(1); id < 8; id++ {
				if l := f.legs[id]; l != nil {
					f.recv(l, string(data))
					break
				}
			}
			events = events[len(data):]
		case 4:
			f.pass(time.Duration(n) * time.Second)
		case 5:
			for id := engine.Leg(7); id > 0; id-- {
				if l := f.legs[id]; l != nil && !l.eof {
					var err error
					if n%2 == 0 {
						err = errReset
					}
					f.end(l, err)
					break
				}
			}
		case 6:
			for _, l := range []*fakeLeg{f.legs[0], f.legs[1], f.legs[2]} {
				if l != nil {
					f.drain(l)
				}
			}
		case 7:
			switch {
			case n < 8 && !f.client().eof:
				f.end(f.client(), nil)
			case n < 16:
				f.tick(engine.Drain)
			case n < 48:
				o := balance.Order{Kind: balance.OrderKind(n % 4), Since: f.now, Close: f.now + int64(n)*int64(time.Second)}
				for _, svc := range s.services {
					svc.SetOrder(time.Unix(0, f.now), o)
				}
				f.tick(engine.Woken)
			}
		}
	}
}

// event is one step of a script.
func event(kind byte, data string) string {
	var b strings.Builder
	for {
		n := min(len(data), 255)
		b.WriteByte(kind)
		b.WriteByte(byte(n))
		b.WriteString(data[:n])
		if data = data[n:]; data == "" {
			return b.String()
		}
	}
}

// FuzzCore plays any octets from client and servers. Nothing panics, no request
// stays counted, and what reached a server is a row of requests that casbah
// would route there, and that a parser of another hand reads in the same way.
func FuzzCore(f *testing.F) {
	for _, req := range sampleRequests {
		for _, resp := range sampleResponses[:6] {
			if len(req)+len(resp) < 1000 {
				f.Add([]byte(event(0, req)+event(2, resp)+event(0, get)), byte(0))
			}
		}
	}
	f.Add([]byte(event(0, get+get)+event(7, "")+event(2, ok)+event(5, "a")), byte(1))
	f.Add([]byte(event(0, "POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")+event(4, "")+event(6, "")), byte(7))
	f.Fuzz(func(t *testing.T, events []byte, mode byte) {
		s := newSite(t)
		for _, p := range s.vip.Profiles {
			p.MinBodyRate = int(mode&1) * 100
		}
		d := s.open(t)
		if mode&2 != 0 {
			d.fullAt = 50
		}
		if mode&4 != 0 {
			d.refuse = func(e *balance.Endpoint) bool { return e.Name == "cas1" }
		}
		script(s, d, events)
		if !d.client().closed && !d.client().gone {
			d.tick(engine.Kill)
		}
		s.idle(t)
		for _, l := range d.log {
			checkForwarded(t, s, l.sent)
		}
	})
}

// checkForwarded reads what a server got.
func checkForwarded(t *testing.T, s *site, sent []byte) {
	t.Helper()
	other := bufio.NewReader(bytes.NewReader(sent))
	for rest := sent; len(rest) > 0; {
		n, err := httphead.End(rest, 0)
		if n == 0 || err != nil {
			t.Fatalf("no head: %q: %v", rest, err)
		}
		x := &exchange{vip: s.vip}
		if err := x.req.Parse(rest[:n]); err != nil {
			t.Fatalf("%q: %v", rest[:n], err)
		}
		p, verdict := s.vip.Match(x.req.Host, x.req.Path)
		if err := x.inspect(); err != nil || !plainPath(x.req.Path) || verdict != route.Found || !p.Allows(x.req.Method) {
			t.Fatalf("forwarded: %q: %v", rest[:n], err)
		}
		if x.wsUpgrade {
			return // what follows may be a tunnel
		}
		rest = rest[n:]
		x.request.start(&x.framing, false)
		body := x.request.left
		if x.request.chunked {
			used, _, err := x.request.chunk.scan(rest)
			if err != nil {
				t.Fatalf("chunks: %q: %v", rest, err)
			}
			body = int64(used)
		}
		rest = rest[min(body, int64(len(rest))):]
		req, err := http.ReadRequest(other)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", x.req.Raw, err)
		}
		if req.Method != string(x.req.Method) || req.RequestURI != string(x.req.Target) {
			t.Fatalf("net/http reads %s %s in %q", req.Method, req.RequestURI, x.req.Raw)
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil && len(rest) > 0 {
			t.Fatalf("net/http reads another body: %v, %q follows", err, rest)
		}
	}
}

// Whatever a channel of RPC over HTTP carries, in whatever pieces: the server gets
// all of it, unchanged and once, a client is told to go on only if it waits, and
// what the channel is known by does not depend on the pieces.
func FuzzChannel(f *testing.F) {
	f.Add([]byte(connB1), uint8(0), false, false)
	f.Add([]byte(connA1), uint8(20), true, true)
	f.Add(bytes.Repeat([]byte("x"), 2000), uint8(255), true, false)
	f.Fuzz(func(t *testing.T, body []byte, size uint8, inChunks, expects bool) {
		if len(body) <= echoOctets {
			t.Skip()
		}
		s := newSite(t, byConnection)
		c := s.open(t)
		head := fmt.Sprintf("RPC_IN_DATA /rpc/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n", len(body))
		sent := string(body)
		if inChunks {
			head = "RPC_IN_DATA /rpc/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
			sent = ""
			for rest := body; len(rest) > 0; {
				n := min(len(rest), 1+int(size)/2)
				sent += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
				rest = rest[n:]
			}
			sent += "0\r\n\r\n"
		}
		if expects {
			head += "Expect: 100-continue\r\n"
		}
		c.fromClient(head + "\r\n")
		c.inParts(sent, 1+int(size))
		c.pass(3 * time.Second) // nothing more comes
		if len(c.log) != 1 {
			t.Fatalf("%d servers were asked", len(c.log))
		}
		got := c.last().take()
		if _, after, _ := strings.Cut(got, "\r\n\r\n"); after != sent {
			t.Fatalf("the server got %q; want %q", after, sent)
		}
		told := ""
		if expects { // the head comes alone, so that casbah says it
			told = string(goOn)
		}
		if said := c.client().take(); said != told || strings.Contains(got[:len(got)-len(sent)], "Expect") {
			t.Fatalf("expects %v: the client was told %q, the server %q", expects, said, got)
		}
		var sniffer rpchttp.Sniffer
		sniffer.See(body)
		want := uint64(0)
		if f := sniffer.First(); f.Kind != rpchttp.None && !f.Kind.Out() {
			want = 1
		}
		if n := s.vip.Counters.RPC.Channels.Load(); n != want {
			t.Fatalf("%d channels are known; want %d", n, want)
		}
	})
}
