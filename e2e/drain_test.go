package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"casbah/node"
)

// orders carries out what an operator orders, and fails if it is refused.
func (r *rig) orders(c node.Command) {
	r.t.Helper()
	if _, err := r.node.Order(c); err != nil {
		r.t.Fatal(err)
	}
}

// services returns the services of a server.
func (r *rig) services(server string) []node.ServiceStatus {
	r.t.Helper()
	for _, p := range r.node.Status().Pools {
		for _, s := range p.Servers {
			if s.Name == server {
				return s.Services
			}
		}
	}
	r.t.Fatalf("no server %s", server)
	return nil
}

// ping sends a Ping, which hangs, and waits until its server has it.
func (r *rig) ping(w *wire, user string) {
	r.t.Helper()
	before := r.active("eas")
	w.sayf("POST /Microsoft-Server-ActiveSync?Cmd=Ping&User=%[1]s&DeviceId=%[1]s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n",
		user, basicAuth(user, passwords[user]))
	r.until("the Ping is open", func() bool { return r.active("eas") == before+1 })
}

var passwords = map[string]string{"alice": "Secret1", "bob": "Secret2", "carol": "Secret3"}

// S98: a server that drains is there for those who are bound to it, and for nobody
// else; when it is ready again it takes new clients.
func TestDrainKeepsThoseWhoAreBound(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		alice := r.client("127.0.0.2")
		alice.logon("alice", "Secret1")
		home := one(t, alice.pages(3))
		r.orders(node.Command{State: "drain", Server: home})
		if got := one(t, r.moved(alice, "127.0.0.3").pages(3)); got != home {
			t.Errorf("a bound client is moved from %s to %s", home, got)
		}
		for i := range 9 {
			if got := r.client(fmt.Sprintf("127.0.1.%d", i+1)).get("/owa/").server; got == home {
				t.Errorf("new client %d comes to %s, which drains", i, home)
			}
		}
		r.orders(node.Command{State: "ready", Server: home})
		came := false
		for i := range 9 {
			came = came || r.client(fmt.Sprintf("127.0.2.%d", i+1)).get("/owa/").server == home
		}
		if !came {
			t.Errorf("nobody comes to %s, which is ready again", home)
		}
		if got := one(t, alice.pages(3)); got != home {
			t.Errorf("after all that alice is served by %s; want %s", got, home)
		}
	})
}

// S26: a firm drain moves bound clients once, at their next request, and their
// records say why. A connection that somebody has logged on to is ended behind an
// answer, and never amid a login.
func TestFirmDrainMovesThoseWhoAreBound(t *testing.T) {
	t.Parallel()
	const ews = "/EWS/Exchange.asmx"
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		browser, outlook, fresh, idle := r.client("127.0.0.2"), r.wire(t, "127.0.0.2"), r.wire(t, "127.0.0.2"), r.wire(t, "127.0.0.2")
		browser.logon("alice", "Secret1")
		home := one(t, browser.pages(2))
		for _, w := range []*wire{outlook, idle} {
			r.onServer(w, ews, home)
		}
		challenge := r.challenged(fresh, ews, home)
		begun := time.Now()
		r.orders(node.Command{State: "drain", Server: home, Firm: true, Until: begun.Add(4 * time.Second), Wait: time.Hour})

		if a := browser.get("/owa/?page=2"); !strings.HasSuffix(a.path, "/logon.aspx") || a.server == home {
			t.Errorf("the browser gets %s of %s; want the form of another server", a.path, a.server)
		}
		proof, err := ntlmType3("NTLM", &http.Response{Header: challenge}, "bob", "Secret2")
		if err != nil {
			t.Fatal(err)
		}
		for w, line := range map[*wire]string{outlook: "", fresh: "Authorization: " + proof + "\r\n"} {
			w.sayf("GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", ews, line)
			resp, _ := w.response("GET")
			if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Lab-Server") != home || !resp.Close {
				t.Errorf("status %d of %s, closes %v; want the last answer of %s", resp.StatusCode, resp.Header.Get("X-Lab-Server"), resp.Close, home)
			}
			w.ends()
		}
		idle.ends() // nothing was asked on it
		if took := time.Since(begun); took > patience {
			t.Errorf("a connection at rest ends after %v", took)
		}
		next := r.wire(t, "127.0.0.2")
		logon(next, ews, "bob", "Secret2")
		r.until("the drain ends in maintenance", func() bool { return r.services(home)[0].State == "maintenance" })

		moved := 0
		_, records := r.accessLog()
		for _, rec := range records {
			if rec.Why != nil && *rec.Why == "rebound_drain" {
				moved++
			}
		}
		if moved == 0 {
			t.Error("no record says rebound_drain")
		}
	})
}

// onServer logs w on by NTLM at that server, whatever comes before.
func (r *rig) onServer(w *wire, path, server string) {
	r.t.Helper()
	challenge := r.challenged(w, path, server)
	proof, err := ntlmType3("NTLM", &http.Response{Header: challenge}, "bob", "Secret2")
	if err != nil {
		r.t.Fatal(err)
	}
	w.sayf("GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", path, proof)
	if resp, _ := w.response("GET"); resp.StatusCode != http.StatusOK {
		r.t.Fatalf("logon: status %d", resp.StatusCode)
	}
}

// challenged begins a login by NTLM, at that server and no other, and returns the
// head of the answer.
func (r *rig) challenged(w *wire, path, server string) http.Header {
	r.t.Helper()
	hello, err := ntlmType1("NTLM")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range r.array.Servers() { // the others are busy for a moment
		if s.Name() != server {
			r.orders(node.Command{State: "drain", Server: s.Name(), Force: true})
		}
	}
	w.sayf("GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", path, hello)
	resp, _ := w.response("GET")
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("X-Lab-Server") != server {
		r.t.Fatalf("challenge: status %d of %s; want 401 of %s", resp.StatusCode, resp.Header.Get("X-Lab-Server"), server)
	}
	r.orders(node.Command{State: "ready", Pool: "cas"})
	return resp.Header
}

// S27: a server in maintenance finishes what is open and takes nothing new. S28:
// when the time that it is given is over, what is open still is closed, and not
// before.
func TestMaintenanceFinishesWhatIsOpen(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		finished, cut := r.wire(t, "127.0.0.2"), r.wire(t, "127.0.0.2")
		r.ping(finished, "alice")
		r.ping(cut, "bob")
		home := ""
		for _, s := range r.array.Servers() {
			for _, v := range r.services(s.Name()) {
				if v.Profile == "eas" && v.Active == 2 {
					home = s.Name()
				}
			}
		}
		if home == "" {
			t.Fatal("the Pings are not on one server")
		}
		begun := time.Now()
		const wait = 5 * time.Second
		r.orders(node.Command{State: "maintenance", Server: home, Wait: wait, Who: "test", Why: "updates"})
		if a := r.client("127.0.0.2").do("OPTIONS", "/Microsoft-Server-ActiveSync", "", "Authorization", basicAuth("alice", "Secret1")); a.server == home || a.status != http.StatusOK {
			t.Errorf("a new request: status %d of %s, which is in maintenance", a.status, a.server)
		}
		if err := r.array.DeliverMail("alice"); err != nil {
			t.Fatal(err)
		}
		if resp, _ := finished.response("POST"); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Lab-Server") != home {
			t.Errorf("the open request: status %d of %s; want 200 of %s", resp.StatusCode, resp.Header.Get("X-Lab-Server"), home)
		}
		cut.ends()
		if took := time.Since(begun); took < wait {
			t.Errorf("a request is closed after %v; want %v", took, wait)
		}
		r.until("nothing is open there", func() bool {
			for _, v := range r.services(home) {
				if v.Active != 0 {
					return false
				}
			}
			return true
		})
	})
}

// A drain with a deadline turns into maintenance by itself: sessions of mail are
// told so in their words, spread over the time, and none is reset.
func TestFirmDrainTakesLeaveOfMail(t *testing.T) {
	t.Parallel()
	for protocol, farewell := range farewells {
		t.Run(protocol, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newMailLab(t, m, protocol, mailTLS{"tls", false, "on", ""}, 0)
				said := make(chan string, 6)
				for range cap(said) {
					c := newWire(t, r.begin(t, "tls"))
					c.reads()
					go func() {
						all, err := io.ReadAll(c.in)
						said <- fmt.Sprintf("%s, %v", all, err)
					}()
				}
				at := make(map[string]int64)
				for _, s := range []string{"cas1", "cas2"} {
					at[s] = r.services(s)[0].Active
				}
				if at["cas1"] == 0 || at["cas1"]+at["cas2"] != 6 {
					t.Fatalf("sessions: %v", at)
				}
				r.orders(node.Command{State: "drain", Server: "cas1", Firm: true, Until: time.Now().Add(2 * time.Second), Wait: time.Hour})
				r.until("the drain ends in maintenance", func() bool { return r.services("cas1")[0].State == "maintenance" })
				r.until("the sessions are gone", func() bool { return r.services("cas1")[0].Active == 0 })
				for range at["cas1"] {
					if got, want := <-said, farewell+"\r\n, <nil>"; got != want {
						t.Errorf("a client reads %q; want %q", got, want)
					}
				}
				if r.services("cas2")[0].Active != at["cas2"] || len(said) > 0 {
					t.Errorf("sessions of cas2 have ended as well: %d are left of %d", r.services("cas2")[0].Active, at["cas2"])
				}
			})
		})
	}
}

// An order that leaves new clients nowhere to go is refused, unless it is forced;
// one about what is not there is, too.
func TestOrdersAreRefused(t *testing.T) {
	r := newRig(t, setup{})
	r.orders(node.Command{State: "drain", Server: "cas1"})
	r.orders(node.Command{State: "maintenance", Server: "cas2"})
	_, err := r.node.Order(node.Command{State: "drain", Server: "cas3", Profile: "owa"})
	if bare, ok := errors.AsType[*node.BareError](err); !ok || len(bare.Left) != 1 || bare.Left[0] != "profile owa of pool cas" {
		t.Errorf("the last server: %v; want that profile owa is left without one", err)
	}
	r.orders(node.Command{State: "drain", Server: "cas3", Profile: "owa", Force: true})
	if a := r.client("127.0.0.2").get("/owa/"); a.status != http.StatusServiceUnavailable {
		t.Errorf("with no server for owa: status %d; want 503", a.status)
	}
	for _, c := range []node.Command{{State: "drain", Server: "cas9"}, {State: "drain", Pool: "other"}, {State: "ready", Pool: "cas", Profile: "imap4"}} {
		if _, err := r.node.Order(c); !errors.Is(err, node.ErrUnknown) {
			t.Errorf("%+v: %v; want that it is not known", c, err)
		}
	}
}

// S27, S28 of what is relayed unread, such as RPC: a connection goes on under any
// drain, and in maintenance until its time is over; a new one goes elsewhere.
func TestRelayUnderOrders(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		_, addresses := origins(t, 2)
		r := newRelay(t, relaySetup{mode: m, servers: addresses, extra: unprobedRPC})
		open := r.wire(t, "127.0.0.2")
		home := open.line()
		echoes := func(when string) {
			t.Helper()
			open.say(when + "\n")
			open.want(when + "\n")
		}
		index := "cas1"
		if r.services("cas2")[0].Active == 1 {
			index = "cas2"
		}
		r.orders(node.Command{State: "drain", Server: index})
		if got := r.visit("127.0.0.2"); got != home {
			t.Errorf("a bound client goes to %s; want %s, which drains", got, home)
		}
		if got := r.visit("127.0.0.3"); got == home {
			t.Errorf("a new client goes to %s, which drains", got)
		}
		echoes("drain")
		r.orders(node.Command{State: "drain", Server: index, Firm: true})
		if got := r.visit("127.0.0.2"); got == home {
			t.Errorf("a bound client goes to %s, which drains firmly", got)
		}
		echoes("firm drain")
		begun := time.Now()
		const wait = 4 * time.Second
		r.orders(node.Command{State: "maintenance", Server: index, Wait: wait})
		echoes("maintenance")
		open.ends()
		if took := time.Since(begun); took < wait {
			t.Errorf("closed after %v; want %v", took, wait)
		}
		r.until("it is over", func() bool { return r.services(index)[0].Active == 0 })
	})
}
