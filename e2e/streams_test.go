package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"casbah/lab"
)

// outData begins an OUT channel of RPC over HTTP with a body of the octets given.
const outData = "RPC_OUT_DATA /rpc/rpcproxy.dll?mbx.lab.test:6001 HTTP/1.1\r\n" +
	"Host: mail.lab.test\r\nUser-Agent: MSRPC\r\nContent-Length: %d\r\n\r\n"

// The OUT channel of RPC over HTTP: a request of 76 octets, a response that
// declares 1 GiB and trickles. Its first octet comes at once.
func TestOutChannelAnswersAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{AnonymousRPC: true}})
		w := r.wire(t, "127.0.0.2")
		a1 := lab.ConnA1(lab.Cookie{1}, lab.Cookie{2})
		if len(a1) != 76 {
			t.Fatalf("CONN/A1 has %d octets; want 76", len(a1))
		}
		w.sayf(outData+"%s", len(a1), a1)
		w.want("HTTP/1.1 200 Success\r\n") // not "200 OK": Outlook reads the phrase
		if head := w.head(); !strings.Contains(head, "Content-Length: 1073741824\r\n") {
			t.Errorf("head %q; want a body of 1 GiB", head)
		}
		if a3 := w.hear(28); a3[0] != 5 || a3[2] != 20 {
			t.Errorf("first PDU % x; want CONN/A3", a3)
		}
	})
}

// An OUT channel whose request declares 1 GiB and sends 76 octets of it is
// answered all the same.
func TestOutChannelWithDeclaredGigabyte(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{AnonymousRPC: true}})
		w := r.wire(t, "127.0.0.2")
		w.sayf(outData+"%s", 1<<30, lab.ConnA1(lab.Cookie{1}, lab.Cookie{2}))
		w.want("HTTP/1.1 200 Success\r\n")
		w.head()
		w.hear(28)
	})
}

// Names, their case, their order and odd spacing stay as they are on the wire,
// both ways; what casbah adds stands behind them.
func TestHeadsKeepTheirSpelling(t *testing.T) {
	const request = "POST /ews/Exchange.asmx?A=b&a=%2f HTTP/1.1\r\n" +
		"hOST: mail.example.org\r\nZ-First:  two spaces \r\nUSER-AGENT: x\r\n" +
		"a-second: 1\r\nA-Second: 2\r\nCookie: b=1; a=2\r\nCookie: c=3\r\nContent-length: 0\r\nX-empty:\r\n"
	const response = "HTTP/1.1 299 Very  Odd: phrase\r\n" +
		"x-LOWER: a\r\nSet-Cookie: b=1\r\nSet-cookie: a=2\r\nContent-LENGTH: 2\r\nX-lower:\tB\r\n\r\nhi"
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews")
		c := r.wire(t, "127.0.0.2")
		c.say(request + "\r\n")
		server := s.accept()
		server.want(request)
		if added := server.head(); !strings.HasPrefix(added, "X-Forwarded-For: 127.0.0.2\r\nX-Forwarded-Proto: http") ||
			strings.Contains(strings.ToLower(added), "via:") {
			t.Errorf("casbah adds %q", added)
		}
		server.say(response)
		c.want(response)
	})
}

// Expect: 100-continue and every 1xx are relayed, and the body waits for them.
func TestInterimResponses(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews")
		c := r.wire(t, "127.0.0.2")
		c.say("POST /EWS/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
		server := s.accept()
		if head := server.head(); !strings.Contains(head, "Expect: 100-continue\r\n") {
			t.Fatalf("head %q; want the expectation", head)
		}
		for _, interim := range []string{"HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"} {
			server.say(interim)
			c.want(interim)
		}
		c.say("body")
		server.want("body")
		server.say("HTTP/1.1 104 Nobody knows\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!")
		c.want("HTTP/1.1 104 Nobody knows\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!")
	})
}

// A request of HTTP/1.0 stays one, and its client gets no 1xx.
func TestInChannelOfHTTP10(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "outlook_anywhere")
		c := r.wire(t, "127.0.0.2")
		c.say("RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.0\r\nHost: h\r\nContent-Length: 1073741824\r\nConnection: Keep-Alive\r\n\r\nfirst")
		server := s.accept()
		server.want("RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.0\r\n")
		server.head()
		server.want("first")
		c.say("second")
		server.want("second")
		server.say("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 Success\r\nContent-Length: 5\r\n\r\nthird")
		c.want("HTTP/1.1 200 Success\r\n")
		c.head()
		c.want("third")
		c.say("fourth")
		server.want("fourth")
	})
}

// A response may begin, and end, while the request still flows; the connection
// then takes the next request.
func TestResponseOvertakesTheRequest(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews")
		c := r.wire(t, "127.0.0.2")
		c.say("POST /EWS/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
		server := s.accept()
		server.head()
		server.want("12345")
		server.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nea")
		c.want("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nea")
		c.say("67")
		server.want("67")
		server.say("rl")
		c.want("rl") // the response is over, the request is not
		c.say("890")
		server.want("890")
		c.say("GET /EWS/2 HTTP/1.1\r\nHost: h\r\n\r\n")
		server.want("GET /EWS/2 HTTP/1.1\r\n")
		server.head()
		server.say("HTTP/1.1 204 No Content\r\n\r\n")
		c.want("HTTP/1.1 204 No Content\r\n\r\n")
	})
}

// Pipelined requests are answered in their order, whichever server is slow.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		for _, cas := range r.array.Servers()[:2] { // the third is ready first
			if err := cas.Fault("autodiscover", lab.Slow(shortWhile)); err != nil {
				t.Fatal(err)
			}
		}
		w := r.wire(t, "127.0.0.2")
		asked := []struct {
			path, body string
			status     int
		}{
			{"/autodiscover/healthcheck.htm", "", 200},
			{"/nowhere", "", 404}, // answered by casbah itself, in its turn
			{"/autodiscover/healthcheck.htm", "a body", 200},
			{"/owa/healthcheck.htm", "", 200},
		}
		var all strings.Builder
		for _, q := range asked {
			fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", q.path, len(q.body), q.body)
		}
		w.say(all.String())
		for i, q := range asked {
			if resp, _ := w.response("POST"); resp.StatusCode != q.status {
				t.Errorf("answer %d has status %d; want %d for %s", i+1, resp.StatusCode, q.status, q.path)
			}
		}
	})
}

// Of pipelined requests the second leaves when the first has been answered:
// the server could take them for one, or answer the wrong one.
func TestPipelinedRequestsLeaveOneByOne(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews")
		c := r.wire(t, "127.0.0.2")
		const request = "GET /EWS/%d HTTP/1.1\r\nHost: h\r\n\r\n"
		c.sayf(request+request+request, 1, 2, 3)
		server := s.accept()
		for i := 1; i <= 3; i++ {
			server.want(fmt.Sprintf("GET /EWS/%d HTTP/1.1\r\n", i))
			server.head()
			server.quiet("the request before is not answered")
			server.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + fmt.Sprint(i))
			if _, body := c.response("GET"); body != fmt.Sprint(i) {
				t.Errorf("answer %q; want %d", body, i)
			}
		}
	})
}

// A chunk reaches the server before the next one is sent, and the other way
// round; the chunk framing is the sender's.
func TestChunksStream(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews")
		c := r.wire(t, "127.0.0.2")
		c.say("POST /EWS/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
		server := s.accept()
		server.head()
		chunks := []string{"5\r\nfirst\r\n", "006;ext=1\r\nsecond\r\n", "A\r\n0123456789\r\n", "0\r\nX-Trailer: t\r\n\r\n"}
		for _, chunk := range chunks {
			c.say(chunk)
			server.want(chunk)
		}
		const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		server.say(head)
		c.want(head)
		for _, chunk := range chunks {
			server.say(chunk)
			c.want(chunk)
		}
	})
}

// An ActiveSync Ping hangs until there is mail.
func TestPingAnswersWhenMailComes(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		const sync, ping = "/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice&DeviceId=d1", "/Microsoft-Server-ActiveSync?Cmd=Ping&User=alice&DeviceId=d1"
		auth := basicAuth("alice", "Secret1")
		home := c.do("POST", sync, "", "Authorization", auth)
		if home.status != http.StatusOK {
			t.Fatalf("Sync: status %d", home.status)
		}
		cas, _ := r.array.Named(home.server)
		before := cas.Counts().Requests["eas"]
		pinged := make(chan answer, 1)
		go func() {
			a, err := c.try("POST", ping, "", "Authorization", auth)
			if err != nil {
				t.Error(err)
			}
			pinged <- a
		}()
		r.until("the Ping is there", func() bool { return cas.Counts().Requests["eas"] > before })
		select {
		case a := <-pinged:
			t.Fatalf("Ping was answered without mail: %+v", a)
		default:
		}
		if err := r.array.DeliverMail("alice"); err != nil {
			t.Fatal(err)
		}
		if a := <-pinged; a.status != http.StatusOK || a.server != home.server {
			t.Errorf("Ping: status %d by %s; want 200 by %s", a.status, a.server, home.server)
		}
		if a := c.do("POST", sync, "", "Authorization", auth); a.header.Get("X-Lab-New") != "1" {
			t.Errorf("Sync after the Ping brings %q messages; want 1", a.header.Get("X-Lab-New"))
		}
	})
}

// Streaming events of EWS arrive one by one: each before the next one happens.
func TestStreamingEventsArriveOneByOne(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		w := r.wire(t, "127.0.0.2")
		logon(w, "/EWS/Exchange.asmx", "alice", "Secret1")
		const body = "<soap:Body><m:GetStreamingEvents><Interval>1h</Interval></m:GetStreamingEvents></soap:Body>"
		w.sayf("POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		resp, err := http.ReadResponse(w.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		defer w.Close() // before: closing the body reads it to the end
		readTo(t, resp.Body, "<m:ConnectionStatus>OK</m:ConnectionStatus>")
		for n := 1; n <= 5; n++ {
			if err := r.array.DeliverMail("alice"); err != nil {
				t.Fatal(err)
			}
			readTo(t, resp.Body, fmt.Sprintf(`<t:NewMailEvent sequence="%d"/>`, n))
		}
	})
}

// readTo reads from body up to the text given.
func readTo(tb testing.TB, body io.Reader, text string) {
	tb.Helper()
	var got strings.Builder
	p := make([]byte, 1)
	for !strings.HasSuffix(got.String(), text) {
		if _, err := io.ReadFull(body, p); err != nil {
			tb.Fatalf("%v after %q; want %q", err, got.String(), text)
		}
		got.Write(p)
	}
}

// A 101 for a websocket on owa makes a tunnel, and its ends travel too.
func TestWebSocketTunnel(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "owa")
		c := r.wire(t, "127.0.0.2")
		c.say("GET /owa/notify HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n")
		server := s.accept()
		if head := server.head(); !strings.Contains(head, "Upgrade: websocket\r\n") || !strings.Contains(head, "Connection: keep-alive, Upgrade\r\n") {
			t.Fatalf("head %q; want the upgrade", head)
		}
		// Octets of the tunnel right behind the head, and some that look like a request.
		server.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi")
		c.want("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
		c.head()
		c.want("\x81\x02hi")
		c.say("GET /ecp/ HTTP/1.1\r\nHost: h\r\n\r\n")
		server.want("GET /ecp/ HTTP/1.1\r\nHost: h\r\n\r\n")
		server.say("\x00\r\n\r\n\xff")
		c.want("\x00\r\n\r\n\xff")
		_ = server.Close()
		c.ends()
	})
}

// Any other upgrade is taken off the request; so is a websocket where the
// profile has none.
func TestOtherUpgradesAreRemoved(t *testing.T) {
	for _, tt := range []struct{ name, profile, path, upgrade string }{
		{"h2c", "owa", "/owa/", "h2c"},
		{"tls", "owa", "/owa/", "TLS/1.0"},
		{"list", "owa", "/owa/", "websocket, h2c"},
		{"websocket-elsewhere", "ews", "/EWS/", "websocket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r, s := newStubRig(t, m, tt.profile)
				c := r.wire(t, "127.0.0.2")
				c.sayf("GET %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, keep-alive\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
					tt.path, tt.upgrade)
				server := s.accept()
				head := server.head()
				for _, gone := range []string{"Upgrade", "HTTP2-Settings", "h2c", "websocket"} {
					if strings.Contains(head, gone) {
						t.Errorf("the server sees %q in %q", gone, head)
					}
				}
				// A server that switches unasked speaks no HTTP that anybody expects.
				server.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
				if resp, _ := c.response("GET"); resp.StatusCode != http.StatusBadGateway {
					t.Errorf("status %d; want 502", resp.StatusCode)
				}
			})
		})
	}
}

// BITS fetches the offline address book in ranges.
func TestOABRange(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{OABBytes: 300_000}})
		c := r.client("127.0.0.2")
		const path = "/OAB/" + lab.OABID + "/f2b0a3b6-data-1.lzx"
		auth := basicAuth("alice", "Secret1")
		whole := c.do("GET", path, "", "Authorization", auth)
		if whole.status != http.StatusOK || len(whole.body) != 300_000 {
			t.Fatalf("status %d, %d octets; want 200, 300000", whole.status, len(whole.body))
		}
		for _, tt := range []struct{ ask, got, body string }{
			{"bytes=0-0", "bytes 0-0/300000", whole.body[:1]},
			{"bytes=100000-249999", "bytes 100000-249999/300000", whole.body[100_000:250_000]},
			{"bytes=-5", "bytes 299995-299999/300000", whole.body[299_995:]},
		} {
			a := c.do("GET", path, "", "Authorization", auth, "Range", tt.ask, "If-Range", whole.header.Get("ETag"))
			if a.status != http.StatusPartialContent || a.header.Get("Content-Range") != tt.got || a.body != tt.body {
				t.Errorf("%s: status %d, %q, %d octets; want 206, %q, %d octets",
					tt.ask, a.status, a.header.Get("Content-Range"), len(a.body), tt.got, len(tt.body))
			}
		}
		if a := c.do("GET", path, "", "Authorization", auth, "Range", "bytes=300000-"); a.status != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("range past the end: status %d; want 416", a.status)
		}
	})
}
