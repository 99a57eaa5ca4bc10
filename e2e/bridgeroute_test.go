package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"casbah/node"
)

// speaker is a server of TLS that says its name, and then gives back what it is told.
type speaker struct {
	net.Listener
	work sync.WaitGroup
}

func newSpeaker(t *testing.T, id identity, name string) *speaker {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", id.ofServer())
	if err != nil {
		t.Fatal(err)
	}
	s := &speaker{Listener: ln}
	s.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.work.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(conn, name); err == nil {
					_, _ = io.Copy(conn, conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.work.Wait()
	})
	return s
}

// bridgedCall is a client that has asked a bridge for a name, and heard that of its server.
type bridgedCall struct {
	*tls.Conn
	server string
}

func (r *rig) ask(name string) (*bridgedCall, error) {
	r.t.Helper()
	dialer := &net.Dialer{Timeout: patience}
	conn, err := tls.DialWithDialer(dialer, "tcp", r.plain, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	c := &bridgedCall{Conn: conn}
	_ = conn.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 4)
	_, err = io.ReadFull(conn, b)
	c.server = string(b)
	return c, err
}

// asked fails unless a client that asks for name gets a server of that pool, and
// returns which.
func (r *rig) asked(name, pool string) string {
	r.t.Helper()
	c, err := r.ask(name)
	if err != nil {
		r.t.Errorf("%s: %v", name, err)
		return ""
	}
	_ = c.Close()
	if !strings.HasPrefix(c.server, pool) {
		r.t.Errorf("%s is served by %s; want pool %s", name, c.server, pool)
	}
	return c.server
}

// same fails unless the client still has the server that it began with.
func (c *bridgedCall) same(t *testing.T) {
	t.Helper()
	b := make([]byte, 1)
	_, err := c.Write([]byte("x"))
	if _, err2 := io.ReadFull(c, b); err != nil || err2 != nil || b[0] != 'x' {
		t.Errorf("an open connection has not survived: %v, %v", err, err2)
	}
}

const (
	routedApp = "[[vip.route]]\nhosts = [\"app.example.org\", \"*.app.example.org\"]\npool = \"app\"\n"
	movedApp  = "[[vip.route]]\nhosts = [\"*.app.example.org\"]\npool = \"app\"\n[[vip.route]]\nhosts = [\"app.example.org\"]\npool = \"cas\"\n"
)

// newRoutedBridge starts casbah with an ssl_bridge VIP of two pools, of two servers
// each: cas, for two names of the VIP itself, and app, for those of a route.
func newRoutedBridge(t *testing.T, m mode) (r *rig, app []*speaker) {
	t.Helper()
	id := newIdentity(t, t.TempDir())
	extra := bridgedTLSPool("app", "app1", "app2") + "[profile.ews]\nchain = [{ by = \"source_ip\" }]\n" +
		"[profile.ews.probe]\nkind = \"tcp\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\nrise = 1\nfall = 1\n"
	for i := range 2 {
		app = append(app, newSpeaker(t, id, fmt.Sprintf("app%d", i+1)))
		extra += fmt.Sprintf("[[server]]\nname = \"app%d\"\naddress = %q\n", i+1, app[i].Addr())
	}
	r = newRelay(t, relaySetup{
		mode: m, kind: "ssl_bridge", profile: "ews", pool: bridgedTLS, extra: extra,
		vip:     "hosts = [\"mail.example.org\", \"autodiscover.example.org\", \"own.app.example.org\"]\n" + routedApp,
		servers: []string{newSpeaker(t, id, "cas1").Addr().String(), newSpeaker(t, id, "cas2").Addr().String()},
	})
	return r, app
}

// bridgedTLSPool is a pool behind a bridge.
func bridgedTLSPool(name string, servers ...string) string {
	return fmt.Sprintf("[[pool]]\nname = %q\nservers = [\"%s\"]\n%s", name, strings.Join(servers, `", "`), bridgedTLS)
}

// Each name reaches its pool, and the bindings of one pool never lead to another;
// names that nobody has are refused by an alert.
func TestNamesReachTheirPools(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r, _ := newRoutedBridge(t, m)
		home := map[string]string{"cas": r.asked("mail.example.org", "cas"), "app": r.asked("app.example.org", "app")}
		for range 3 {
			for name, pool := range map[string]string{
				"mail.example.org": "cas", "autodiscover.example.org": "cas", "own.app.example.org": "cas",
				"app.example.org": "app", "APP.example.org": "app", "one.app.example.org": "app",
			} {
				if got := r.asked(name, pool); got != home[pool] {
					t.Errorf("%s is served by %s; want %s, where the address is bound", name, got, home[pool])
				}
			}
		}
		for _, name := range []string{"other.example.org", "a.one.app.example.org", "example.org"} {
			if _, err := r.ask(name); fmt.Sprint(err) != "remote error: tls: unrecognized name" {
				t.Errorf("a client that asks for %s is told %v; want that it is unknown", name, err)
			}
		}
		r.until("all are counted", func() bool { return r.vipStatus("flow").Ends["refused"] == 3 })
		v := r.vipStatus("flow")
		if v.Refused["host"] != 3 || len(v.Routes) != 1 || v.Routes[0].Pool != "app" || !v.Routes[0].Up || !slices.Equal(v.Profiles, []string{"ews"}) {
			t.Errorf("status %+v", v)
		}
		counts := make(map[string]uint64)
		for _, p := range r.node.Status().Pools {
			for _, s := range p.Servers {
				counts[p.Name] += s.Services[0].Requests
			}
		}
		if counts["cas"] != 10 || counts["app"] != 10 {
			t.Errorf("the services of the pools have %v; want 10 connections each", counts)
		}
		for _, name := range []string{"mail.example.org", "one.app.example.org"} {
			pool := map[bool]string{true: "cas", false: "app"}[name == "mail.example.org"]
			e, err := r.node.Explain(&node.Question{URL: "tcp://" + name + ":443", From: "127.0.0.1"})
			if err != nil || e.Pool != pool || e.Server != home[pool] || e.Why != "bound" {
				t.Errorf("%s is explained as %+v, %v; want %s", name, e, err, home[pool])
			}
		}
	})
}

// A reload moves a name to another pool: open connections stay, new ones go there,
// and on the way back they find their bindings.
func TestNameMovesToAnotherPool(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r, _ := newRoutedBridge(t, m)
		mail, app := r.asked("mail.example.org", "cas"), r.asked("app.example.org", "app")
		open, err := r.ask("app.example.org")
		if err != nil || open.server != app {
			t.Fatalf("%+v, %v; want a connection to %s", open, err, app)
		}
		defer open.Close()
		before := r.read()
		r.reload(strings.Replace(before, routedApp, movedApp, 1))
		open.same(t)
		for range 3 {
			if got := r.asked("app.example.org", "cas"); got != mail {
				t.Errorf("the name that moved is served by %s; want %s, where the address is bound in that pool", got, mail)
			}
			if got := r.asked("x.app.example.org", "app"); got != app {
				t.Errorf("a name that stayed is served by %s; want %s", got, app)
			}
		}
		r.reload(before)
		open.same(t)
		if got := r.asked("app.example.org", "app"); got != app {
			t.Errorf("back in its pool the name is served by %s; want %s", got, app)
		}
	})
}

// A pool without a server refuses its own names; the others go on.
func TestPoolOfANameIsDown(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r, app := newRoutedBridge(t, m)
		r.asked("app.example.org", "app")
		for _, s := range app {
			_ = s.Close()
		}
		r.until("the route has no server", func() bool { return !r.vipStatus("flow").Routes[0].Up })
		_, err := r.ask("app.example.org")
		if _, told := errors.AsType[tls.AlertError](err); err == nil || told {
			t.Errorf("a client of the pool that is down is told %v; want a reset", err)
		}
		r.asked("mail.example.org", "cas")
		v := r.vipStatus("flow")
		if v.Refused["no_server"] != 1 || v.Refused["host"] != 0 || !v.Up {
			t.Errorf("refused %v, up %v; want 1 without a server, and the VIP up", v.Refused, v.Up)
		}
	})
}
