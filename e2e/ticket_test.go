package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// resumer is a client that keeps TLS sessions, and nothing else: each request
// has a connection of its own.
type resumer struct {
	r      *rig
	t      *testing.T
	config *tls.Config
}

// resumer returns a client of a TLS version, 0 for the newest.
func (r *rig) resumer(t *testing.T, version uint16) *resumer {
	t.Helper()
	return &resumer{r, t, &tls.Config{
		RootCAs: r.roots, ServerName: "localhost", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}}
}

// forget has the next connection begin a new session.
func (c *resumer) forget() { c.config.ClientSessionCache = tls.NewLRUClientSessionCache(4) }

// get asks from an address with more header lines. It returns who has answered,
// and whether the session was an older one.
func (c *resumer) get(source, path, lines string) (server string, resumed bool) {
	c.t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: patience}
	conn, err := tls.DialWithDialer(d, "tcp", c.r.tls, c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	w := newWire(c.t, conn)
	w.within(patience)
	w.say("GET " + path + " HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n")
	resp, _ := w.response("GET")
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("GET %s: status %d; want 200", path, resp.StatusCode)
	}
	return resp.Header.Get("X-Lab-Server"), conn.ConnectionState().DidResume
}

// returns fails unless the client comes to want on a session that it resumes.
func (c *resumer) returns(want, source, path string) {
	c.t.Helper()
	if got, resumed := c.get(source, path, ""); got != want || !resumed {
		c.t.Errorf("GET %s from %s: served by %s, resumed %v; want %s on a resumed session", path, source, got, resumed, want)
	}
}

// tickets runs f with both drivers, and with TLS 1.2 and 1.3.
func tickets(t *testing.T, f func(t *testing.T, m mode, version uint16)) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version)[4:], func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				m.vip = "tls"
				f(t, m, version)
			})
		})
	}
}

// S11, S38: who resumes a TLS session comes to its server, from any address,
// also after a reload and a restart; other sessions of the same client do not.
func TestTLSSessionKeepsItsServer(t *testing.T) {
	tickets(t, func(t *testing.T, m mode, version uint16) {
		s := setup{mode: m}
		r := newMirrorRig(t, s, "ews") // by cookie, which nobody has here, and by session
		clients, homes := make([]*resumer, 4), make([]string, 4)
		seen := make(map[string]bool)
		for i := range clients {
			clients[i] = r.resumer(t, version)
			homes[i], _ = clients[i].get("127.0.0.2", "/EWS/", "")
			seen[homes[i]] = true
		}
		if len(seen) != 3 {
			t.Errorf("four sessions came to %d servers; want all three", len(seen))
		}
		visit := func() {
			t.Helper()
			for n := range 3 {
				for i, c := range clients {
					c.returns(homes[i], fmt.Sprintf("127.0.1.%d", 1+4*n+i), "/EWS/")
				}
			}
		}
		visit()
		r.reload(r.read())
		visit()
		r.stop()
		r.start(s)
		visit()
		clients[0].forget()
		seen = make(map[string]bool)
		for range 3 {
			clients[0].forget()
			got, resumed := clients[0].get("127.0.0.2", "/EWS/", "")
			if seen[got] = true; resumed {
				t.Error("the session is an old one")
			}
		}
		if len(seen) != 3 {
			t.Errorf("three new sessions came to %d servers; want 3", len(seen))
		}
	})
}

// S18: web services know a client by its cookie, and one that shows none by its
// TLS session. S12: the cookie holds whoever begins ever new sessions.
func TestWebServicesByCookieThenSession(t *testing.T) {
	tickets(t, func(t *testing.T, m mode, version uint16) {
		r := newMirrorRig(t, setup{mode: m}, "ews")
		c := r.resumer(t, version)
		home, _ := c.get("127.0.0.2", "/EWS/", "X-Set: exchangecookie=5f1e\r\n")
		for range 3 {
			c.returns(home, "127.0.0.3", "/EWS/")
		}
		for range 4 {
			c.forget()
			if got, _ := c.get("127.0.0.4", "/EWS/", "Cookie: exchangecookie=5f1e\r\n"); got != home {
				t.Errorf("with a cookie on a new session: served by %s; want %s", got, home)
			}
			c.returns(home, "127.0.0.5", "/EWS/") // by the session that the cookie has brought there
		}
	})
}

// S20: the address book knows a client by its address, and one that has moved by
// its TLS session. S12: the address holds whoever begins ever new sessions.
func TestAddressBookByAddressThenSession(t *testing.T) {
	tickets(t, func(t *testing.T, m mode, version uint16) {
		r := newMirrorRig(t, setup{mode: m}, "oab")
		first, second := r.resumer(t, version), r.resumer(t, version)
		home, _ := first.get("127.0.0.2", "/OAB/", "")
		other, _ := second.get("127.0.0.3", "/OAB/", "")
		if home == other {
			t.Fatalf("two clients came to %s; the algorithm does not spread them", home)
		}
		for i := range 3 {
			first.returns(home, fmt.Sprintf("127.0.1.%d", i+1), "/OAB/")
			second.returns(other, fmt.Sprintf("127.0.2.%d", i+1), "/OAB/")
		}
		for range 4 {
			first.forget()
			if got, _ := first.get("127.0.1.1", "/OAB/", ""); got != home { // the address that the session has brought there
				t.Errorf("from a known address on a new session: served by %s; want %s", got, home)
			}
		}
	})
}

// S38: likewise on a tls VIP, whose octets casbah does not look at.
func TestTLSSessionKeepsItsServerThroughARelay(t *testing.T) {
	tickets(t, func(t *testing.T, m mode, version uint16) {
		id := newIdentity(t, t.TempDir())
		_, addresses := origins(t, 3)
		r := newRelay(t, relaySetup{
			mode: m, kind: "tls", servers: addresses, vip: id.ofVIP(), profile: "imap4",
			extra: "[[profile.imap4.chain]]\nby = \"ssl_id\"\n[profile.imap4.probe]\nkind = \"none\"\n",
		})
		r.roots = id.roots
		visit := func(c *resumer, source string) (server string, resumed bool) {
			t.Helper()
			d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: patience}
			conn, err := tls.DialWithDialer(d, "tcp", r.plain, c.config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w := newWire(t, conn)
			w.within(patience)
			return w.line(), conn.ConnectionState().DidResume
		}
		clients, homes := make([]*resumer, 3), make([]string, 3)
		for i := range clients {
			clients[i] = r.resumer(t, version)
			homes[i], _ = visit(clients[i], "127.0.0.2")
		}
		if homes[0] == homes[1] || homes[1] == homes[2] || homes[0] == homes[2] {
			t.Errorf("three sessions came to %v; want a server each", homes)
		}
		for n := range 3 {
			for i, c := range clients {
				if got, resumed := visit(c, fmt.Sprintf("127.0.1.%d", 1+4*n+i)); got != homes[i] || !resumed {
					t.Errorf("served by %s, resumed %v; want %s on a resumed session", got, resumed, homes[i])
				}
			}
		}
		if st := r.node.Status().Table; st.Bindings != 3 || st.Unconfirmed != 0 {
			t.Errorf("%d bindings, %d unconfirmed; want 3 confirmed", st.Bindings, st.Unconfirmed)
		}
	})
}
