package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/protocols/msrpc"
)

// allProbes are probes of every kind.
var allProbes = map[string]func(*balance.Endpoint) Probe{
	"http": func(e *balance.Endpoint) Probe { return &HTTPProbe{Endpoint: e, Path: "/owa/", Body: "nowhere"} },
	"health": func(e *balance.Endpoint) Probe {
		return &HTTPProbe{Endpoint: e, Path: "/owa/healthcheck.htm", FQDN: "cas1"}
	},
	"tcp":  func(e *balance.Endpoint) Probe { return &TCPProbe{Endpoint: e} },
	"imap": func(e *balance.Endpoint) Probe { return &IMAPProbe{Endpoint: e, Account: someone} },
	"pop3": func(e *balance.Endpoint) Probe { return &POP3Probe{Endpoint: e, Account: someone} },
	"smtp": func(e *balance.Endpoint) Probe { return &SMTPProbe{Endpoint: e} },
	"rpc": func(e *balance.Endpoint) Probe {
		return &RPCProbe{Endpoint: e, Interfaces: []msrpc.Syntax{msrpc.EMSMDB}}
	},
	"epm": func(e *balance.Endpoint) Probe {
		return &EPMProbe{Endpoint: e, Wants: []Registered{{Interface: msrpc.EMSMDB, Name: "emsmdb"}}}
	},
	"eas": func(e *balance.Endpoint) Probe { return &LoginProbe{Endpoint: e, Question: AskEAS, Account: someone} },
	"ews": func(e *balance.Endpoint) Probe {
		return &LoginProbe{Endpoint: e, Question: AskEWS, NTLM: true, Account: someone}
	},
	"echo": func(e *balance.Endpoint) Probe { return &LoginProbe{Endpoint: e, Question: AskEcho, Account: someone} },
	"owa":  func(e *balance.Endpoint) Probe { return &LoginProbe{Endpoint: e, Question: AskOWA, Account: someone} },
	"autodiscover": func(e *balance.Endpoint) Probe {
		return &LoginProbe{Endpoint: e, Question: AskAutodiscover, NTLM: true, Account: someone}
	},
}

var someone = Account{User: "probe", Password: "Secret5"}

// pours returns a server that sends head once and then body without end.
func pours(head, body string) func(net.Conn) {
	return func(c net.Conn) {
		go io.Copy(io.Discard, c) // until either side ends
		io.WriteString(c, head)
		for chunk := []byte(strings.Repeat(body, 1+4096/len(body))); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}
}

// hostile are servers that do harm, as far as they can.
var hostile = map[string]func(net.Conn){
	"silent":  func(c net.Conn) { io.Copy(io.Discard, c) },
	"closes":  func(net.Conn) {},
	"resets":  func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) },
	"garbage": func(c net.Conn) { io.WriteString(c, "\x16\x03\x01\x00\xff\r\n\r\n\x05\x00\x0c\x03") },
	"trickle": func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(time.Millisecond) // the pace of the server
		}
	},
	"octets":     pours("", "\x00"),
	"lines":      pours("", "x\r\n"),
	"200":        pours("HTTP/1.1 200 OK\r\n\r\n", "200 OK<"),
	"200-xml":    pours("HTTP/1.1 200 OK\r\n\r\n", "<a><b>"),
	"200-chunks": pours("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
	"401":        pours("HTTP/1.1 401 Who\r\nWWW-Authenticate: NTLM "+strings.Repeat("A", 60000)+"\r\n", "X-More: yes\r\n"),
	"302":        pours("HTTP/1.1 302 Found\r\nLocation: /owa/\r\nContent-Length: 0\r\n"+strings.Repeat("Set-Cookie: a="+strings.Repeat("x", 1000)+"\r\n", 50)+"\r\n", "x"),
	"503":        pours("HTTP/1.1 503 No\r\n\r\n", "x"),
	"interim":    pours("", "HTTP/1.1 100 Continue\r\n\r\n"),
	"headers":    pours("HTTP/1.1 200 OK\r\n", "X-More: yes\r\n"),
	"capability": pours("* OK\r\n", "* CAPABILITY IMAP4rev1\r\n"),
	"+OK":        pours("", "+OK\r\n"),
	"220":        pours("220 mail\r\n", "250-x\r\n"),
	"ack":        pours("\x05\x00\x0c\x03\x10\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00", "\x01"),
}

// A server that hangs, floods or talks garbage harms nothing, whatever it is
// asked: the probe ends in time and is wrong, in bounded memory, and leaves
// neither a goroutine (TestMain) nor a descriptor behind. A wrong answer has a
// cause and a short text.
func TestHostileServers(t *testing.T) {
	const each = 4 << 20 // octets allocated, at most: the limit is read into growing memory
	for server, behave := range hostile {
		for kind, probe := range allProbes {
			t.Run(server+"/"+kind, func(t *testing.T) {
				p := probe(serve(t, behave))
				before, begun := allocated(), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				err := p.Check(ctx)
				cancel()
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("Check took %v", took)
				}
				if n := allocated() - before; n > each {
					t.Errorf("Check allocated %d octets", n)
				}
				if kind == "tcp" && (err == nil || CauseOf(err) == Unreached) {
					return // it has connected, or was reset as it did
				}
				if kind == "health" && err == nil && strings.HasPrefix(server, "200") {
					return // a page without a name is as good as its status
				}
				if err == nil || CauseOf(err) == Right || len(err.Error()) > 400 {
					t.Errorf("Check() = %v; want a short error", err)
				}
				if errors.Is(err, ErrOff) {
					t.Errorf("Check() = %v: that is no orderly end", err)
				}
			})
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// No probe leaves a descriptor, whatever happens.
func TestProbesLeaveNoDescriptor(t *testing.T) {
	open := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(all)
	}
	for server, behave := range hostile {
		e := serve(t, behave)
		before := open()
		for _, probe := range allProbes {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			probe(e).Check(ctx)
			cancel()
		}
		// The server closes its own end when it notices.
		for deadline := time.Now().Add(10 * time.Second); open() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d descriptors; want the %d of before", server, open(), before)
			}
		}
	}
}
