package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"casbah/internal/hello/hellotest"
)

// What the bridges of these tests have: EWS, for which clients are known by their
// TLS session, and servers that are not asked how they are.
const (
	bridgedTLS = "upstream_tls = \"on\"\ntls = { verify = false }\n"
	bridgedEWS = "[[profile.ews.chain]]\nby = \"ssl_id\"\n[profile.ews.probe]\nkind = \"none\"\n"
)

// newBridge starts casbah with an ssl_bridge VIP in front of those servers.
func newBridge(tb testing.TB, m mode, vip string, servers ...string) *rig {
	tb.Helper()
	return newRelay(tb, relaySetup{
		mode: m, kind: "ssl_bridge", profile: "ews", pool: bridgedTLS, vip: vip, extra: bridgedEWS, servers: servers,
	})
}

// ear is a connection that remembers all octets of both directions.
type ear struct {
	net.Conn
	mu        sync.Mutex // guards the fields below
	said, got bytes.Buffer
}

func (e *ear) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got.Write(p[:n])
	return n, err
}

func (e *ear) Write(p []byte) (int, error) {
	e.mu.Lock()
	e.said.Write(p)
	e.mu.Unlock()
	return e.Conn.Write(p)
}

// same fails unless what one side of a connection said is what the other one got.
func (e *ear) same(t *testing.T, other *ear) {
	t.Helper()
	for _, way := range [][2]*ear{{e, other}, {other, e}} {
		said, got := way[0].said.Bytes(), way[1].got.Bytes()
		if len(got) == 0 || !bytes.Equal(said, got) {
			t.Errorf("%d octets were said and %d got, or others", len(said), len(got))
		}
	}
}

// TLS is between client and server: certificates of both, ALPN and every octet
// pass through the bridge, in TLS 1.2 and 1.3, with hellos of any size.
func TestBridgePassesTLSThrough(t *testing.T) {
	id := newIdentity(t, t.TempDir())
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newBridge(t, m, "", s.Addr().String())
		for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			body := noise(uint64(i), 3<<20)
			conn, err := r.connect("127.0.0.2")
			if err != nil {
				t.Fatal(err)
			}
			from := &ear{Conn: newWire(t, conn)}
			client := tls.Client(from, &tls.Config{
				RootCAs: id.roots, ServerName: "localhost", Certificates: []tls.Certificate{id.pair},
				NextProtos: []string{"imap", "http/1.1"}, MinVersion: version, MaxVersion: version,
			})
			sent := make(chan error, 1)
			go func() { // the server's hello comes only once the client's was passed on
				_, err := client.Write(body)
				sent <- err
			}()
			to := &ear{Conn: s.accept()}
			server := tls.Server(to, &tls.Config{
				Certificates: []tls.Certificate{id.pair}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"http/1.1"},
			})
			got := make([]byte, len(body))
			if _, err := io.ReadFull(server, got); err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Fatalf("%s: the server reads %v", tls.VersionName(version), err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := server.Write(got)
				sent <- err
			}()
			if _, err := io.ReadFull(client, got); err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Fatalf("%s: the client reads %v", tls.VersionName(version), err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			for _, way := range [][2]*tls.Conn{{client, server}, {server, client}} {
				if err := way[0].CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if _, err := way[1].Read(got); !errors.Is(err, io.EOF) {
					t.Fatalf("one side has said that it ends, the other one reads %v", err)
				}
			}
			_ = from.Close()
			_ = to.Close()
			st := server.ConnectionState()
			if leaf, _ := x509.ParseCertificate(id.pair.Certificate[0]); len(st.PeerCertificates) != 1 || !st.PeerCertificates[0].Equal(leaf) ||
				st.NegotiatedProtocol != "http/1.1" || st.ServerName != "localhost" || st.Version != version {
				t.Errorf("the server sees %+v", st)
			}
			from.same(t, to)
		}
		for _, rec := range r.logged(2) {
			if rec.Host != "localhost" || rec.Server != "cas1" || rec.Profile != "ews" || rec.In < 3<<20 || rec.Out < 3<<20 || rec.Status != 0 {
				t.Errorf("record %+v", rec)
			}
		}
	})
}

// one record of TLS that holds a message.
func inRecord(message []byte) string { return string(hellotest.Records(message, 1<<14)) }

// S11, S38: a client that would resume a TLS session goes to the server that gave it,
// from any address; the hello may come octet by octet. In TLS 1.3 no ID is a key.
func TestBridgeFollowsSessions(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		stubs := []*stub{newStub(t), newStub(t), newStub(t)}
		r := newBridge(t, m, "", stubs[0].Addr().String(), stubs[1].Addr().String(), stubs[2].Addr().String())
		accepted := make(chan *wire)
		for i, s := range stubs {
			go func() {
				for {
					conn, err := s.Accept()
					if err != nil {
						return
					}
					w := newWire(t, conn)
					w.within(patience)
					select {
					case accepted <- w:
					case <-t.Context().Done():
						t.Logf("server %d had one more connection", i)
						return
					}
				}
			}()
		}
		// visit sends a hello with that ID, has the server answer, and returns whose it was.
		visit := func(source string, id, answer []byte, slowly bool) string {
			t.Helper()
			w := r.wire(t, source)
			said := inRecord(hellotest.Client(id, hellotest.Host("mail.example.org"), hellotest.Offers()))
			for rest := said; slowly && len(rest) > 1; rest = rest[1:] {
				w.say(rest[:1])
			}
			if slowly {
				w.say(said[len(said)-1:])
			} else {
				w.say(said)
			}
			server := <-accepted
			server.want(said)
			for i := range answer {
				if slowly {
					server.say(string(answer[i : i+1]))
				}
			}
			if !slowly {
				server.say(string(answer))
			}
			w.want(string(answer))
			w.say("more")
			server.want("more")
			server.shut()
			w.ends()
			_ = w.Close()
			return server.LocalAddr().String()
		}
		id := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 32) }
		resumes := func(n int) []byte { return []byte(inRecord(hellotest.Server(id(n)))) }
		home := make(map[int]string)
		for n := range 6 {
			home[n] = visit("127.0.0.2", nil, resumes(n), n%2 == 0)
		}
		if home[0] == home[1] || home[1] == home[2] || home[0] == home[2] {
			t.Errorf("new clients go to %v; want the servers in turn", home)
		}
		for i := range 18 {
			n := i * 5 % 6
			if got := visit(fmt.Sprintf("127.0.3.%d", i+1), id(n), resumes(n), i%3 == 0); got != home[n] {
				t.Errorf("session %d goes to %s; want %s", n, got, home[n])
			}
		}
		modern := []byte(inRecord(hellotest.Server(id(9), hellotest.Selects())))
		spread := []string{visit("127.0.0.2", id(9), modern, false), visit("127.0.0.2", id(9), modern, false), visit("127.0.0.2", id(9), modern, false)}
		slices.Sort(spread)
		if len(slices.Compact(spread)) != 3 {
			t.Error("what a client of TLS 1.3 shows is bound")
		}
		bound := 0
		for _, rec := range r.logged(27) {
			if *rec.Why == "bound" && *rec.Step == "ssl_id" {
				bound++
			}
		}
		if bound != 18 {
			t.Errorf("%d records say bound by ssl_id; want 18", bound)
		}
	})
}

// What is no hello, or one for a host that the VIP does not serve, is told so by
// an alert and counted, and no server hears of it.
func TestBridgeRefuses(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newBridge(t, m, "hosts = [\"mail.example.org\"]\n", s.Addr().String())
		for _, tt := range []struct{ say, alert string }{
			{"GET / HTTP/1.1\r\n\r\n", "\x32"},
			{"\x80\x2e\x01\x00\x02", "\x46"},
			{inRecord(hellotest.Client(nil, hellotest.Host("other.example.org"))), "\x70"},
			{inRecord(hellotest.Client(nil)), "\x70"},
			{inRecord(hellotest.Client(nil, hellotest.Offers())), "\x6d"},
			{inRecord(hellotest.Client(make([]byte, 33))), "\x32"},
		} {
			w := r.wire(t, "127.0.0.2")
			w.say(tt.say)
			w.want("\x15\x03\x01\x00\x02\x02" + tt.alert)
			w.ends()
		}
		conn, err := tls.Dial("tcp", r.plain, &tls.Config{ServerName: "other.example.org"})
		if err == nil {
			_ = conn.Close()
		}
		if got := fmt.Sprint(err); got != "remote error: tls: unrecognized name" {
			t.Errorf("a client that asks for another host is told %q", got)
		}
		r.until("all are counted", func() bool { return r.vipStatus("flow").Ends["refused"] == 7 })
		if v := r.vipStatus("flow"); v.Refused["tls"] != 3 || v.Refused["host"] != 4 {
			t.Errorf("refused %v; want 3 for tls, 4 for host", v.Refused)
		}
		if n := r.node.Status().Pools[0].Servers[0].Requests; n != 0 {
			t.Errorf("%d connections to the server; want none", n)
		}
		w := r.wire(t, "127.0.0.2")
		w.say(inRecord(hellotest.Client(nil, hellotest.Host("MAIL.example.org"))))
		s.accept().want(inRecord(hellotest.Client(nil, hellotest.Host("MAIL.example.org"))))
	})
}

// A client that does not say its hello in time is closed.
func TestBridgeHelloInTime(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newRelay(t, relaySetup{
			mode: m, kind: "ssl_bridge", profile: "ews", pool: bridgedTLS, servers: []string{s.Addr().String()},
			extra: "[profile.ews]\nheader_timeout = \"1s\"\n" + bridgedEWS,
		})
		for _, said := range []string{"", "\x16\x03\x01"} {
			begin := time.Now()
			w := r.wire(t, "127.0.0.2")
			w.say(said)
			w.ends()
			if took := time.Since(begin); took < time.Second {
				t.Errorf("closed after %v; want 1s", took)
			}
		}
		if v := r.vipStatus("flow"); v.Refused["slow"] != 2 || v.Ends["slow"] != 2 {
			t.Errorf("refused %v, ended %v; want 2 that were slow", v.Refused, v.Ends)
		}
	})
}

// HTTPS passes through to servers that are probed by HTTPS.
func TestBridgeProbesByTLS(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		servers, addresses := make([]*httptest.Server, 2), make([]string, 2)
		for i := range servers {
			servers[i] = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, "cas%d", i+1) }))
			t.Cleanup(servers[i].Close)
			addresses[i] = servers[i].Listener.Addr().String()
		}
		dead, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and speaks no TLS
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = dead.Close() })
		r := newRelay(t, relaySetup{
			mode: m, kind: "ssl_bridge", profile: "ews", pool: bridgedTLS, servers: append(addresses, dead.Addr().String()),
			extra: "[profile.ews.probe]\npath = \"/EWS/Exchange.asmx\"\ninterval = \"1s\"\ntimeout = \"500ms\"\n",
		})
		state := func(i int) string { return r.node.Status().Pools[0].Servers[i].Services[0].State }
		if state(0) != "up" || state(1) != "up" || state(2) != "down" {
			t.Errorf("the servers are %s, %s, %s; want up, up, down", state(0), state(1), state(2))
		}
		seen := make(map[string]bool)
		for range 4 {
			c := servers[0].Client()
			c.Transport.(*http.Transport).DisableKeepAlives = true
			resp, err := c.Get("https://" + r.plain + "/EWS/Exchange.asmx")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			seen[string(body)] = true
		}
		if !seen["cas1"] || !seen["cas2"] || len(seen) != 2 {
			t.Errorf("requests were answered by %v; want cas1 and cas2", seen)
		}
	})
}
