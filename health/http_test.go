package health

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"casbah/balance"
)

func TestHTTPProbeAnswers(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		expect []int
		body   string
		want   string // in the error; empty: success
	}{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", nil, "", ""},
		{"401-expected", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", []int{200, 401}, "", ""},
		{"reason-of-its-own", "HTTP/1.1 200 Success\r\n\r\n", nil, "", ""},
		{"old-version", "HTTP/1.0 200 OK\r\n\r\n", nil, "", ""},
		{"behind-100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", nil, "", ""},
		{"closed-in-the-body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", nil, "", ""},
		{"503", "HTTP/1.1 503 Service Unavailable\r\n\r\n", nil, "", "want status 200, got 503 Service Unavailable"},
		{"503-of-three", "HTTP/1.1 503 Busy\r\n\r\n", []int{200, 302, 401}, "", "want status 200, 302 or 401, got 503 Busy"},
		{"redirect-is-not-followed", "HTTP/1.1 302 Found\r\nLocation: /owa/\r\n\r\n", nil, "", "want status 200, got 302 Found"},
		{"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", nil, "", "want status 200, got 101 Switching Protocols"},
		{"only-interim", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), nil, "", "more than 8 interim responses"},
		{"body", "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n200 OK<br/>cas1.local", nil, "200 OK", ""},
		{"body-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n200\r\n3\r\n OK\r\n0\r\n\r\n", nil, "200 OK", ""},
		{"body-before-a-cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n200 OK", nil, "200 OK", ""},
		{"body-without", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsorry", nil, "200 OK", `body: want it to contain "200 OK", got 5 octets without it`},
		{"body-empty", "HTTP/1.1 200 OK\r\n\r\n", nil, "200 OK", `body: want it to contain "200 OK", got 0 octets without it`},
		{"garbage", "220 mail.example.org ESMTP\r\n\r\n", nil, "", `answer: not HTTP: malformed HTTP`},
		{"binary-garbage", "\x15\x03\x01\x00\x02\x02\x46\r\n", nil, "", `answer: not HTTP: malformed HTTP response "\x15\x03`},
		{"broken-header", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", nil, "", "answer: not HTTP: malformed MIME header"},
		{"nothing", "", nil, "", "answer: the server closed the connection"},
		{"half-a-head", "HTTP/1.1 200 OK\r\nServer: x\r\n", nil, "", "answer: the server closed the connection"},
		{"long-reason", "HTTP/1.1 500 " + strings.Repeat("x", 9000) + "\r\n\r\n", nil, "", "want status 200, got 500 xxx"},
		{"long-garbage", strings.Repeat("garbage ", 1000) + "\r\n", nil, "", `answer: not HTTP: malformed HTTP`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &HTTPProbe{Endpoint: serve(t, answer(tt.text)), Path: "/owa/healthcheck.htm", Expect: tt.expect, Body: tt.body}
			checkError(t, p, tt.want)
		})
	}
}

// checkError runs p and checks its error for want, or for none if want is empty.
func checkError(t *testing.T, p Probe, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := p.Check(ctx)
	switch {
	case want == "" && err != nil:
		t.Errorf("Check() = %v; want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("Check() = %v; want %s", err, want)
	case err != nil && len(err.Error()) > 250:
		t.Errorf("the error has %d octets: the server filled the page with %.60s", len(err.Error()), err)
	}
}

func TestHTTPProbeRequest(t *testing.T) {
	tests := []struct {
		name  string
		probe HTTPProbe
		want  string
	}{
		{
			"defaults",
			HTTPProbe{Path: "/owa/healthcheck.htm"},
			"GET /owa/healthcheck.htm HTTP/1.1\r\nHost: cas1.example.org:80\r\nUser-Agent: casbah-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		},
		{
			"options",
			HTTPProbe{Method: "OPTIONS", Path: "/Microsoft-Server-ActiveSync", Host: "mail.example.org"},
			"OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: mail.example.org\r\nUser-Agent: casbah-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		},
		{
			"post",
			HTTPProbe{Method: "POST", Path: "/EWS/Exchange.asmx", Host: "mail.example.org"},
			"POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: mail.example.org\r\nUser-Agent: casbah-probe\r\nAccept: */*\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			tt.probe.Endpoint = serve(t, func(c net.Conn) {
				got <- readHead(c)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			})
			checkError(t, &tt.probe, "")
			if head := <-got; head != tt.want {
				t.Errorf("request = %q; want %q", head, tt.want)
			}
		})
	}
}

// HEAD has a length and no body.
func TestHTTPProbeHead(t *testing.T) {
	e := serve(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	checkError(t, &HTTPProbe{Endpoint: e, Method: http.MethodHead, Path: "/"}, "")
}

// A server that sends without end costs 64 KiB and no more time.
func TestHTTPProbeFlood(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name       string
		head, body string
		contains   string
		want       string
	}{
		{"body", ok + "\r\n", "x", "200 OK", "body: want it to contain"},
		{"body-not-read", ok + "\r\n", "x", "", ""},
		{"body-contains", ok + "\r\n200 OK", "x", "200 OK", ""},
		{"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", "200 OK", "body: want it to contain"},
		{"headers", ok, "X-More: yes\r\n", "", "answer: head is longer than 65536 octets"},
		{"status-line", "", "HTTP/1.1", "", "answer: head is longer than 65536 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := serve(t, flood(tt.head, tt.body))
			checkError(t, &HTTPProbe{Endpoint: e, Path: "/", Body: tt.contains}, tt.want)
		})
	}
}

// A server that hangs, wherever it does, is given up when the time is over.
func TestHTTPProbeTimeout(t *testing.T) {
	tests := []struct {
		name string
		text string // before it hangs
		step string
	}{
		{"silent", "", "answer"},
		{"in-the-status-line", "HTTP/1.1 2", "answer"},
		{"in-the-head", "HTTP/1.1 200 OK\r\nServer: ", "answer"},
		{"in-the-body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n200", "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := serve(t, func(c net.Conn) {
				answer(tt.text)(c)
				io.Copy(io.Discard, c) // until the probe hangs up
			})
			wantTimeout(t, &HTTPProbe{Endpoint: e, Path: "/", Body: "200 OK"}, tt.step)
		})
	}
	t.Run("one-octet-at-a-time", func(t *testing.T) {
		e := serve(t, func(c net.Conn) {
			readHead(c)
			for {
				if _, err := c.Write([]byte{'H'}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // the pace of the server
			}
		})
		wantTimeout(t, &HTTPProbe{Endpoint: e, Path: "/"}, "answer")
	})
	t.Run("in-the-handshake", func(t *testing.T) {
		e := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		e.TLS = &tls.Config{ServerName: "cas1.example.org"}
		wantTimeout(t, &HTTPProbe{Endpoint: e, Path: "/"}, "TLS")
	})
}

// wantTimeout gives p 50 ms and expects it to give up in that step.
func wantTimeout(t *testing.T, p Probe, step string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := p.Check(ctx)
	if !errors.Is(err, ErrTimeout) || !strings.HasPrefix(err.Error(), step+": ") {
		t.Errorf("Check() = %v; want %s: %v", err, step, ErrTimeout)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Check took %v for a time of 50ms", took)
	}
}

func TestHTTPProbeReset(t *testing.T) {
	e := serve(t, func(c net.Conn) {
		readHead(c)
		c.(*net.TCPConn).SetLinger(0)
	})
	checkError(t, &HTTPProbe{Endpoint: e, Path: "/"}, "answer: connection reset by peer")
}

func TestHTTPProbeTLS(t *testing.T) {
	var names atomic.Pointer[string]
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { names.Store(&r.TLS.ServerName) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	trust := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	e := endpoint(srv.Listener.Addr())

	e.TLS = &tls.Config{ServerName: "example.com", RootCAs: trust}
	checkError(t, &HTTPProbe{Endpoint: e, Path: "/", Host: "mail.example.org"}, "")
	if got := *names.Load(); got != "example.com" {
		t.Errorf("SNI %q; want that of the endpoint", got)
	}
	e.TLS = &tls.Config{ServerName: "cas1.example.org", RootCAs: trust}
	checkError(t, &HTTPProbe{Endpoint: e, Path: "/"}, "TLS: tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not cas1.example.org")
	e.TLS = nil
	checkError(t, &HTTPProbe{Endpoint: e, Path: "/"}, "want status 200, got 400 Bad Request")
}

func TestConnectErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := endpoint(ln.Addr())
	ln.Close()
	unresolved := &balance.Endpoint{Name: "cas1", Target: "cas1.example.org:80"}
	for _, p := range []func(*balance.Endpoint) Probe{
		func(e *balance.Endpoint) Probe { return &HTTPProbe{Endpoint: e, Path: "/"} },
		func(e *balance.Endpoint) Probe { return &TCPProbe{Endpoint: e} },
	} {
		checkError(t, p(refusing), "connect: connection refused")
		if err := p(refusing).Check(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Check() = %v; want it to wrap %v", err, syscall.ECONNREFUSED)
		}
		checkError(t, p(unresolved), "connect: the server's name has no address")
	}
}

func TestTCPProbe(t *testing.T) {
	var accepted atomic.Int32
	e := serve(t, func(c net.Conn) {
		accepted.Add(1)
		io.Copy(io.Discard, c) // returns only if the probe closes
	})
	checkError(t, &TCPProbe{Endpoint: e}, "")
	checkError(t, &TCPProbe{Endpoint: e}, "")
	e.TLS = &tls.Config{ServerName: "cas1.example.org"}
	wantTimeout(t, &TCPProbe{Endpoint: e}, "TLS")
	if accepted.Load() == 0 {
		t.Error("nobody connected")
	}
}

// The probe takes no proxy from the environment: it would answer for a server
// that is down.
func TestHTTPProbeIgnoresProxies(t *testing.T) {
	proxy := serve(t, answer("HTTP/1.1 200 OK\r\n\r\n"))
	addr, _ := proxy.Addr()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://"+addr.String())
	}
	e := &balance.Endpoint{Name: "cas1", Target: "cas1.example.org:80"}
	e.SetAddr(netip.MustParseAddrPort("127.0.0.1:1"))
	checkError(t, &HTTPProbe{Endpoint: e, Path: "/"}, "connect: connection refused")
}
