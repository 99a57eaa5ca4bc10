package e2e

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pires/go-proxyproto"
)

// ends says who of a relay's peers speak TLS, and whether servers are told of
// their clients.
type ends struct {
	client, server bool
	header         string // proxy_protocol
}

func (e ends) String() string {
	return fmt.Sprintf("client-tls=%v/server-tls=%v/header=%s", e.client, e.server, e.header)
}

// terminated is a relay with a stub behind it, which speaks what e says.
type terminated struct {
	*rig
	*stub
	ends ends
	id   identity // of casbah and of the stub
}

func newTerminated(t *testing.T, m mode, e ends, vip string) *terminated {
	t.Helper()
	r := &terminated{stub: newStub(t), ends: e, id: newIdentity(t, t.TempDir())}
	s := relaySetup{mode: m, servers: []string{r.Addr().String()}, pool: fmt.Sprintf("proxy_protocol = %q\n", e.header), vip: vip, extra: unprobedRPC}
	if e.server {
		s.pool += verified(r.id.cert)
	}
	if e.client {
		s.kind, s.vip = "tls", vip+r.id.ofVIP()
	}
	r.rig = newRelay(t, s)
	return r
}

// open connects to the VIP.
func (r *terminated) open(t *testing.T) *wire {
	t.Helper()
	roots := r.id.roots
	if !r.ends.client {
		roots = nil
	}
	conn, err := dial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: patience}, r.plain, roots)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, conn)
	w.within(patience)
	return w
}

// headed is a connection whose begin was read.
type headed struct {
	*net.TCPConn
	in *bufio.Reader
}

func (h *headed) Read(p []byte) (int, error) { return h.in.Read(p) }

// accept waits for a connection of the relay, and for its header.
func (r *terminated) accept(t *testing.T) (*wire, *proxyproto.Header) {
	t.Helper()
	conn, err := r.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var h *proxyproto.Header
	if tcp, ok := conn.(*net.TCPConn); ok && r.ends.header != "off" {
		in := bufio.NewReader(conn)
		if h, err = proxyproto.Read(in); err != nil {
			t.Fatalf("the server reads no header: %v", err)
		}
		conn = &headed{tcp, in}
	}
	if r.ends.server {
		conn = tls.Server(conn, r.id.ofServer())
	}
	w := newWire(t, conn)
	w.within(patience)
	return w, h
}

// TLS ends at casbah, or begins there, or both: what is within it passes
// both ways, unchanged, and each side ends its half when it likes. Servers are
// told of the client first.
func TestTLSAroundARelay(t *testing.T) {
	t.Parallel()
	for _, e := range []ends{
		{true, false, "off"},
		{true, true, "off"},
		{false, true, "off"},
		{false, false, "v1"},
		{true, false, "v2"},
		{true, true, "v1"},
		{false, true, "v2"},
	} {
		t.Run(e.String(), func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newTerminated(t, m, e, "")
				for i, begins := range []string{"client", "server"} {
					client := r.open(t)
					server, header := r.accept(t)
					if begins == "client" {
						client.say("EHLO\r\n")
						server.want("EHLO\r\n")
					} else {
						server.say("220 mail\r\n")
						client.want("220 mail\r\n")
					}
					r.wantHeader(header, client)
					r.pour(t, client, server, uint64(i))
				}
				for _, rec := range r.logged(2) {
					if rec.End != "done" || rec.Server != "cas1" || rec.In < 1<<20 || rec.Out < 1<<20 {
						t.Errorf("record %+v; want it done, with all octets", rec)
					}
				}
			})
		})
	}
}

// wantHeader compares the header with the connection of the client.
func (r *terminated) wantHeader(h *proxyproto.Header, client *wire) {
	t := client.t
	t.Helper()
	if h == nil {
		if r.ends.header != "off" {
			t.Error("no header")
		}
		return
	}
	from, to, _ := h.TCPAddrs()
	if fmt.Sprintf("v%d", h.Version) != r.ends.header || from.String() != client.LocalAddr().String() || to.String() != r.plain {
		t.Errorf("header of version %d from %v to %v; want %s, %v, %s", h.Version, from, to, r.ends.header, client.LocalAddr(), r.plain)
	}
}

// pour has both sides send a megabyte at once. The client ends its half, then the
// server.
func (r *terminated) pour(t *testing.T, client, server *wire, seed uint64) {
	t.Helper()
	up, down := noise(2*seed+1000, 1<<20), noise(2*seed+1001, 1<<20)
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := client.Write(up); err != nil {
			t.Error(err)
		}
		client.shut()
	})
	work.Go(func() {
		if got := server.rest(); sha256.Sum256(got) != sha256.Sum256(up) {
			t.Errorf("%d octets came over; want the %d that were sent", len(got), len(up))
		}
		if _, err := server.Write(down); err != nil { // after the client's half has ended
			t.Error(err)
		}
		server.shut()
	})
	if got := client.rest(); sha256.Sum256(got) != sha256.Sum256(down) {
		t.Errorf("%d octets came back; want the %d that were sent", len(got), len(down))
	}
	work.Wait()
}

// A client that closes without the word of TLS for it has said what it said: the
// server reads all of it, and an end.
func TestTLSClientThatJustCloses(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newTerminated(t, m, ends{client: true, header: "off"}, "")
		client := r.open(t)
		server, _ := r.accept(t)
		client.say("QUIT\r\n")
		over, ok := client.Conn.(*tls.Conn)
		if !ok {
			t.Fatal("no TLS")
		}
		_ = over.NetConn().Close()
		server.want("QUIT\r\n")
		server.ends()
	})
}

// A client that speaks no TLS is refused, counted, and takes no server.
func TestTLSVIPRefusesWhatIsNotTLS(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newTerminated(t, m, ends{client: true, header: "off"}, "")
		conn, err := net.Dial("tcp", r.plain)
		if err != nil {
			t.Fatal(err)
		}
		w := newWire(t, conn)
		w.within(patience)
		w.say("A1 LOGIN me secret\r\n")
		_ = w.rest()
		r.until("it is counted", func() bool { return r.vipStatus("flow").Refused["tls"] == 1 })
		if v := r.vipStatus("flow"); v.Type != "tls" || v.Ends["done"] != 0 {
			t.Errorf("status %+v; want a VIP of type tls without connections", v)
		}
	})
}

// A server that cannot be trusted is passed over, before it hears anything.
func TestRelayAvoidsAStranger(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newTerminated(t, m, ends{client: true, server: true, header: "off"}, "")
		other := newIdentity(t, t.TempDir()).cert
		text := r.read()
		before, rest, _ := strings.Cut(text, "ca = \"")
		_, after, _ := strings.Cut(rest, "\"")
		r.reload(before + "ca = \"" + other + "\"" + after)
		go func() {
			server, _ := r.accept(t)
			if _, err := server.in.ReadByte(); err == nil {
				t.Error("the server was told something")
			}
		}()
		client := r.open(t)
		if _, err := client.in.ReadByte(); err == nil {
			t.Error("the client is served")
		}
		r.until("it is counted", func() bool { return r.vipStatus("flow").Refused["no_server"] == 1 })
	})
}

// The client that a header from in front names is the one that servers are told.
func TestProxyHeaderIsPassedOn(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newTerminated(t, m, ends{header: "v2"}, "accept_proxy_from = [\"127.0.0.0/8\"]\n")
		client := r.open(t)
		client.say("PROXY TCP4 198.51.100.7 192.0.2.10 40000 25\r\nhello")
		server, h := r.accept(t)
		server.want("hello")
		if from, to, _ := h.TCPAddrs(); from.String() != "198.51.100.7:40000" || to.String() != "192.0.2.10:25" {
			t.Errorf("the server is told of %v to %v; want 198.51.100.7:40000 to 192.0.2.10:25", from, to)
		}
	})
}

// Requests are told of likewise, each client on connections of its own, and probes
// begin with a header too.
func TestProxyHeaderOfRequests(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newRig(t, setup{
			mode: m, servers: []string{s.Addr().String()}, profiles: `"owa"`, pool: "proxy_protocol = \"v2\"\n", extra: unprobed("owa"),
		})
		for _, source := range []string{"127.0.0.2", "127.0.0.3"} {
			w := r.wire(t, source)
			w.say("GET /owa/ HTTP/1.1\r\nHost: mail\r\n\r\n")
			conn, err := s.Accept()
			if err != nil {
				t.Fatal(err)
			}
			server := newWire(t, conn)
			server.within(patience)
			h, err := proxyproto.Read(server.in)
			if err != nil {
				t.Fatalf("the server reads no header: %v", err)
			}
			if from, _, _ := h.TCPAddrs(); from.String() != w.LocalAddr().String() {
				t.Errorf("the server is told of %v; want %v", from, w.LocalAddr())
			}
			for i := range 2 { // the connection stays its client's
				if i > 0 {
					w.say("GET /owa/ HTTP/1.1\r\nHost: mail\r\n\r\n")
				}
				server.head()
				server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if resp, body := w.response("GET"); resp.StatusCode != 200 || body != "ok" {
					t.Errorf("status %d, body %q", resp.StatusCode, body)
				}
			}
		}
	})
}

// A client that names its protocol in the handshake (RFC 7301) is not refused for
// one that casbah does not know, and a lasting session is resumed.
func TestTLSVIPTakesAnyProtocol(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newTerminated(t, m, ends{client: true, header: "off"}, "")
		cfg := &tls.Config{RootCAs: r.id.roots, ServerName: "localhost", NextProtos: []string{"imap"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for _, resumed := range []bool{false, true} {
			conn, err := tls.Dial("tcp", r.plain, cfg)
			if err != nil {
				t.Fatal(err)
			}
			client := newWire(t, conn)
			client.within(patience)
			server, _ := r.accept(t)
			server.say("* OK ready\r\n")
			client.want("* OK ready\r\n")
			if st := conn.ConnectionState(); st.DidResume != resumed || st.NegotiatedProtocol != "" {
				t.Errorf("resumed %v, protocol %q; want %v, none", st.DidResume, st.NegotiatedProtocol, resumed)
			}
			_ = client.Close()
		}
	})
}
