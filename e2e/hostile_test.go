package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// S93: what two parsers may read in two ways is read by nobody.
func TestAmbiguousHeadsReachNobody(t *testing.T) {
	const post = "POST /calm/x HTTP/1.1\r\nHost: h\r\n"
	tests := []struct {
		name, text string
		status     int
	}{
		{"length-and-coding", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"coding-and-length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
		{"two-lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
		{"same-length-twice", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
		{"length-list", post + "Content-Length: 5, 5\r\n\r\nhello", 400},
		{"length-sign", post + "Content-Length: +5\r\n\r\nhello", 400},
		{"length-hexadecimal", post + "Content-Length: 0x5\r\n\r\nhello", 400},
		{"length-negative", post + "Content-Length: -1\r\n\r\n", 400},
		{"length-too-long", post + "Content-Length: 99999999999999999999\r\n\r\n", 400},
		{"bare-lf", "GET /calm/x HTTP/1.1\nHost: h\n\n", 400},
		{"bare-lf-in-head", post + "X: a\nY: b\r\n\r\n", 400},
		{"bare-cr", post + "X: a\rY: b\r\n\r\n", 400},
		{"nul", post + "X: a\x00b\r\n\r\n", 400},
		{"obs-fold", post + "X: a\r\n b\r\n\r\n", 400},
		{"fold-before-first", "GET /calm/x HTTP/1.1\r\n Host: h\r\n\r\n", 400},
		{"space-before-colon", post + "Content-Length : 5\r\n\r\nhello", 400},
		{"tab-before-colon", post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400},
		{"no-colon", post + "Content-Length\r\n\r\n", 400},
		{"empty-name", post + ": x\r\n\r\n", 400},
		{"coding-twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"coding-identity", post + "Transfer-Encoding: identity\r\n\r\n", 400},
		{"coding-unknown", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		{"coding-vertical-tab", post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		{"chunked-not-last", post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
		{"coding-before-chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		{"coding-in-1.0", "POST /calm/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two-hosts", "GET /calm/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"no-host", "GET /calm/x HTTP/1.1\r\n\r\n", 400},
		{"two-spaces", "GET  /calm/x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"no-version", "GET /calm/x\r\nHost: h\r\n\r\n", 400},
		{"version-2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"tls-on-it", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
	}
	besiege(t, nil, func(t *testing.T, s *siege) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s.counts(t, "head", func() { s.refused(t, tt.text, tt.status) })
			})
		}
		if n := len(s.server.asked("/calm/x")); n != 0 {
			t.Errorf("%d of the requests reached the server", n)
		}
	})
}

// One head below the limit passes; one above it is refused as soon as the limit
// is passed, complete or not.
func TestOversizedHeads(t *testing.T) {
	besiege(t, nil, func(t *testing.T, s *siege) {
		const begin, end = "GET /calm/big HTTP/1.1\r\nHost: h\r\nX-Fill: ", "\r\n\r\n"
		const limit = 64 << 10
		fill := func(n int) string { return strings.Repeat("x", n-len(begin)-len(end)) }
		w := s.wire(t, "127.0.0.66")
		w.say(begin + fill(limit) + end)
		if resp, _ := w.response("GET"); resp.StatusCode != http.StatusOK {
			t.Errorf("a head of %d octets: status %d; want 200", limit, resp.StatusCode)
		}
		_ = w.Close()
		s.counts(t, "head", func() { s.refused(t, begin+fill(limit+1)+end, 431) })
		s.counts(t, "head", func() { s.refused(t, begin+fill(limit+100), 431) })
		if n := len(s.server.asked("/calm/big")); n != 1 {
			t.Errorf("%d requests reached the server; want the one that fits", n)
		}
	})
}

// A path is routed as it is forwarded, or not at all. S93.
func TestPathsAndMethodsThatAreRefused(t *testing.T) {
	tests := []struct {
		name, line string
		status     int
		cause      string
	}{
		{"dot-dot", "GET /calm/../owa/ HTTP/1.1", 400, "path"},
		{"dot", "GET /calm/./x HTTP/1.1", 400, "path"},
		{"dot-dot-at-end", "GET /calm/.. HTTP/1.1", 400, "path"},
		{"encoded-dots", "GET /calm/%2e%2E/owa/ HTTP/1.1", 400, "path"},
		{"half-encoded-dots", "GET /calm/.%2e/owa/ HTTP/1.1", 400, "path"},
		{"backslash", `GET /calm\..\owa HTTP/1.1`, 400, "path"},
		{"encoded-backslash", "GET /calm/%5c..%5Cowa HTTP/1.1", 400, "path"},
		{"encoded-slash", "GET /calm%2fx HTTP/1.1", 400, "path"},
		{"encoded-nul", "GET /calm/%00 HTTP/1.1", 400, "path"},
		{"unicode-escape", "GET /calm/%u002e%u002e/ HTTP/1.1", 400, "path"},
		{"absolute-with-dots", "GET http://h/calm/../owa/ HTTP/1.1", 400, "path"},
		{"nowhere", "GET /cal HTTP/1.1", 404, "profile"},
		{"boundary", "GET /calmer HTTP/1.1", 404, "profile"},
		{"connect", "CONNECT mail.example.org:443 HTTP/1.1", 400, "head"},
		{"connect-path", "CONNECT /calm/ HTTP/1.1", 405, "method"},
		{"unknown-method", "BREW /calm/ HTTP/1.1", 405, "method"},
		{"rpc-elsewhere", "RPC_IN_DATA /owa/ HTTP/1.1", 405, "method"},
		{"rpc-out-elsewhere", "RPC_OUT_DATA /calm/ HTTP/1.1", 405, "method"},
		{"method-case", "get /calm/ HTTP/1.1", 405, "method"},
	}
	besiege(t, nil, func(t *testing.T, s *siege) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s.counts(t, tt.cause, func() {
					s.refused(t, tt.line+"\r\nHost: h\r\nConnection: close\r\n\r\n", tt.status)
				})
			})
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		for _, req := range s.server.heads {
			if req.URL.Path != "/calm/neighbour" {
				t.Errorf("%s %s reached the server", req.Method, req.URL)
			}
		}
	})
}

// What a client claims to be is not passed on, however it spells the claim.
func TestForgedForwardingFields(t *testing.T) {
	besiege(t, nil, func(t *testing.T, s *siege) {
		w := s.wire(t, "127.0.0.66")
		w.say("GET /calm/forged HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nx-forwarded-FOR: 10.0.0.2, 10.0.0.3\r\n" +
			"X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 1\r\nFront-End-Https: perhaps\r\n" +
			"Connection: close\r\n\r\n")
		if resp, _ := w.response("GET"); resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d", resp.StatusCode)
		}
		asked := s.server.asked("/calm/forged")
		if len(asked) != 1 {
			t.Fatalf("%d requests reached the server; want 1", len(asked))
		}
		scheme, port, front := "http", s.plain, ""
		if s.mode.vip == "tls" {
			scheme, port, front = "https", s.tls, "On"
		}
		_, port, _ = net.SplitHostPort(port)
		h := asked[0].Header
		for name, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.66", "X-Forwarded-Proto": scheme, "X-Forwarded-Port": port, "Front-End-Https": front,
		} {
			if got := strings.Join(h.Values(name), " | "); got != want {
				t.Errorf("the server sees %s: %q; want %q", name, got, want)
			}
		}
	})
}

// A Connection field that names what casbah itself adds would have the next hop
// strip it.
func TestNominatedForwardingFieldsAreRefused(t *testing.T) {
	besiege(t, nil, func(t *testing.T, s *siege) {
		for _, name := range []string{"X-Forwarded-For", "x-forwarded-proto", "Front-End-Https", "Authorization", "Cookie", "Host"} {
			s.counts(t, "head", func() {
				s.refused(t, "GET /calm/forged HTTP/1.1\r\nHost: h\r\nConnection: close, "+name+"\r\n\r\n", 400)
			})
		}
		if n := len(s.server.asked("/calm/forged")); n != 0 {
			t.Errorf("%d of the requests reached the server", n)
		}
	})
}

// The framing of chunks is checked while it streams: the server has the chunks
// that came before, and no more.
func TestChunksThatBreakInTheMiddle(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		first, broken := make(chan string, 8), make(chan error, 8)
		read := func(conn net.Conn, req *http.Request) bool {
			p := make([]byte, 5)
			_, _ = io.ReadFull(req.Body, p)
			first <- string(p)
			_, err := io.Copy(io.Discard, req.Body)
			broken <- err
			return err == nil && says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(conn, req)
		}
		lay(t, m, map[string]act{"upload": read}, func(t *testing.T, s *siege) { s.breakChunks(t, first, broken) })
	})
}

// breakChunks uploads bodies whose chunks go wrong behind the first, which the
// server tells of in first; it tells of their end in broken.
func (s *siege) breakChunks(t *testing.T, first chan string, broken chan error) {
	t.Helper()
	for name, bad := range map[string]string{
		"no-size":       "\r\nxx\r\n",
		"negative":      "-5\r\nhello\r\n",
		"too-large":     "fffffffffffffffff\r\n",
		"bare-lf":       "5\nhello\r\n",
		"data-too-long": "5\r\nhello!\r\n",
		"space":         "5 \r\nhello\r\n",
		"bad-trailer":   "0\r\nX : y\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s.counts(t, "body", func() {
				w := s.wire(t, "127.0.0.66")
				w.say("POST /calm/upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
				if got := <-first; got != "hello" {
					t.Errorf("the server read %q; want the first chunk before the second was sent", got)
				}
				w.say(bad)
				if resp, _ := w.response("POST"); resp.StatusCode != http.StatusBadRequest {
					t.Errorf("status %d; want 400", resp.StatusCode)
				}
				w.ends()
				if err := <-broken; err == nil {
					t.Error("to the server the request looks complete")
				}
			})
		})
	}
}

// A client that is slower than a timer ends by it, and alone.
func TestClientsThatDawdle(t *testing.T) {
	t.Parallel()
	besiege(t, map[string]act{"sink": func(_ net.Conn, req *http.Request) bool {
		_, err := io.Copy(io.Discard, req.Body)
		return err == nil
	}}, func(t *testing.T, s *siege) {
		t.Run("head", func(t *testing.T) {
			// Each octet comes well within every timer, and the head never ends.
			s.counts(t, "slow", func() {
				w := s.wire(t, "127.0.0.66")
				drip(w, "GET /brisk/x HTTP/1.1\r\nX-Slow: "+strings.Repeat("z", 60<<10))
				if resp, _ := w.response("GET"); resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
					t.Errorf("status %d, close %v; want 408 and the end", resp.StatusCode, resp.Close)
				}
			})
		})
		t.Run("body", func(t *testing.T) {
			before := s.vip().Ends["idle"]
			w := s.wire(t, "127.0.0.66")
			w.say("POST /brisk/sink HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf of it")
			w.ends()
			if got := s.vip().Ends["idle"]; got != before+1 {
				t.Errorf("ended as idle: %d; want %d", got, before+1)
			}
		})
	})
}

// A client that connects and never says anything, or nothing more, is closed.
func TestClientsThatSayNothing(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		server := newRogue(t, nil)
		r := newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"brisk"`, extra: ownProfiles})
		mute := r.wire(t, "127.0.0.66")
		mute.ends()
		_ = mute.Close()
		w := r.wire(t, "127.0.0.66")
		w.say("GET /brisk/x HTTP/1.1\r\nHost: h\r\n\r\n")
		w.response("GET")
		w.ends()
		_ = w.Close()
		r.until("no connection is open", func() bool { return r.node.Status().Connections == 0 })
	})
}

// drip writes text octet by octet, a hundred a second, until the peer answers.
func drip(w *wire, text string) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = w.in.Peek(1)
	}()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for i := range len(text) {
		select {
		case <-answered:
			return
		case <-pace.C:
			_, _ = io.WriteString(w.Conn, text[i:i+1]) // the peer may be gone, which the answer tells
		}
	}
	<-answered
}

// Servers that do not speak HTTP, or stop in the middle of it.
func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name   string
		act    act
		status int    // of the answer
		cause  string // empty: the head had passed, and the body breaks off
	}{
		{"garbage", leaves("\x16\x03\x01 this is no HTTP\r\n\r\n\x00\xff"), 502, "server_garbage"},
		{"closes-at-once", leaves(""), 502, "server_garbage"},
		{"resets-at-once", resets(""), 502, "server_garbage"},
		{"closes-in-head", leaves(ok + "Content-Le"), 502, "server_garbage"},
		{"resets-in-head", resets(ok + "Content-Le"), 502, "server_garbage"},
		{"closes-in-body", leaves(ok + "Content-Length: 100\r\n\r\nhalf of it"), 200, ""},
		{"resets-in-body", resets(ok + "Content-Length: 100\r\n\r\nhalf of it"), 200, ""},
		{"closes-in-chunk", leaves(ok + "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf of it"), 200, ""},
		{"bad-chunk", says(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"), 200, ""},
		{"never", silent, 504, "server_timeout"},
		{"half-a-head", func(c net.Conn, r *http.Request) bool { return says(ok)(c, r) && silent(c, r) }, 504, "server_timeout"},
		{"endless-head", repeats(ok, "X-More: and more\r\n"), 502, "server_garbage"},
		{"endless-line", repeats(ok+"X-More: ", "and more "), 502, "server_garbage"},
		{"endless-1xx", repeats("", "HTTP/1.1 103 Early Hints\r\n\r\n"), 502, "server_garbage"},
		{"continues-for-ever", repeats("", "HTTP/1.1 100 Continue\r\n\r\n"), 502, "server_garbage"},
		{"length-and-coding", says(ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 502, "server_garbage"},
		{"two-lengths", says(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), 502, "server_garbage"},
		{"bare-lf", says("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), 502, "server_garbage"},
		{"obs-fold", says(ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"), 502, "server_garbage"},
		{"status-of-two-digits", says("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"), 502, "server_garbage"},
		{"switches-unasked", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), 502, "server_garbage"},
		{"http-0.9", leaves("<html>hello</html>"), 502, "server_garbage"},
	}
	acts := make(map[string]act)
	for _, tt := range tests {
		acts[tt.name] = tt.act
	}
	besiege(t, acts, func(t *testing.T, s *siege) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				profile := "/calm/"
				if tt.cause == "server_timeout" {
					profile = "/brisk/"
				}
				s.counts(t, tt.cause, func() { s.answers(t, profile+tt.name, tt.status, tt.cause != "") })
			})
		}
	})
}

// answers fails unless a browser that asks for path gets that status: from
// casbah itself, in short HTML, or else from the server with a body that breaks
// off where anybody can see it.
func (s *siege) answers(t *testing.T, path string, status int, own bool) {
	t.Helper()
	w := s.wire(t, "127.0.0.66")
	w.sayf("GET %s HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n", path)
	resp, body, err := final(w)
	switch {
	case resp == nil:
		t.Fatalf("no answer: %v", err)
	case resp.StatusCode != status:
		t.Fatalf("status %d; want %d", resp.StatusCode, status)
	case !own:
		if err == nil {
			t.Errorf("body %q looks complete", body)
		}
		return
	case err != nil || !strings.HasPrefix(body, "<!doctype html>") || len(body) > 200:
		t.Errorf("body %q, %v; want short HTML", body, err)
	}
	s.discreet(t, resp, body)
	if n := len(s.server.asked(path)); n == 0 {
		t.Error("the request did not reach the server")
	}
}

// final reads the first response that is not a 1xx.
func final(w *wire) (*http.Response, string, error) {
	for {
		resp, err := http.ReadResponse(w.in, &http.Request{Method: "GET"})
		if err != nil {
			return nil, "", err
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
}

// A POST is never sent twice; nor is a GET to a server that may have seen it.
func TestNothingIsSentTwice(t *testing.T) {
	besiege(t, map[string]act{"gone": leaves("")}, func(t *testing.T, s *siege) {
		for i, method := range []string{"POST", "GET"} {
			w := s.wire(t, "127.0.0.66")
			w.sayf("%s /calm/gone HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", method)
			if resp, _ := w.response(method); resp.StatusCode != http.StatusBadGateway {
				t.Errorf("%s: status %d; want 502", method, resp.StatusCode)
			}
			if n := len(s.server.asked("/calm/gone")); n != i+1 {
				t.Errorf("%s: %d requests reached the server; want %d", method, n, i+1)
			}
		}
	})
}

// A server that says more than it was asked for is not believed: what follows
// would answer the next request.
func TestAnswersThatNobodyAskedFor(t *testing.T) {
	const one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	besiege(t, map[string]act{"twice": says(one + strings.Replace(one, "ok", "no", 1))}, func(t *testing.T, s *siege) {
		w := s.wire(t, "127.0.0.66")
		w.say("GET /calm/twice HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, body := w.response("GET"); body != "ok" {
			t.Errorf("body %q; want ok", body)
		}
		w.say("GET /calm/next HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp, body := w.response("GET"); resp.StatusCode != http.StatusOK || body != "ok" {
			t.Errorf("the next request: %d %q; want an answer of its own", resp.StatusCode, body)
		}
		if n := len(s.server.asked("/calm/next")); n != 1 {
			t.Errorf("the next request reached the server %d times; want once", n)
		}
	})
}

// Clients that vanish at any point leave nothing behind. besiege checks that.
func TestClientsThatVanish(t *testing.T) {
	tests := []struct {
		name, text, hears string
		resets            bool
	}{
		{"at-once", "", "", false},
		{"reset-at-once", "", "", true},
		{"in-head", "GET /calm/x HTTP/1.1\r\nHo", "", false},
		{"reset-in-head", "GET /calm/x HTTP/1.1\r\nHo", "", true},
		{"in-body", "POST /calm/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf", "", false},
		{"reset-in-body", "POST /calm/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf", "", true},
		// A client that only closes its half may wait for the answer, for a while.
		{"reset-while-asked", "GET /calm/never HTTP/1.1\r\nHost: h\r\n\r\n", "", true},
		{"in-answer", "GET /calm/stream HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\n", false},
		{"reset-in-answer", "GET /calm/stream HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\n", true},
	}
	stream := repeats("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("more ", 200))
	besiege(t, map[string]act{"never": silent, "stream": stream}, func(t *testing.T, s *siege) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				w := s.wire(t, "127.0.0.66")
				w.say(tt.text)
				w.want(tt.hears)
				if tt.resets {
					w.reset()
					return
				}
				_ = w.Close()
			})
		}
	})
}

// reset ends the connection by a reset, without a word of TLS.
func (w *wire) reset() {
	conn := w.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// The other side of TLS: what is no handshake is counted and closed.
func TestNoHandshake(t *testing.T) {
	besiege(t, nil, func(t *testing.T, s *siege) {
		if s.mode.vip != "tls" {
			return
		}
		s.counts(t, "tls", func() {
			conn, err := net.Dial("tcp", s.tls)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET /calm/x HTTP/1.1\r\nHost: h\r\n\r\n")
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); err != nil && timedOut(err) {
				t.Error("the connection stays open")
			}
			s.until("the refusal is counted", func() bool { return s.vip().Refused["tls"] > 0 })
		})
	})
}
