package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casbah/node"
)

// S108: a new passphrase gives new cookies. Those of an old one that is still
// read keep their clients, and are issued anew; without it they count for nothing.
func TestPassphraseChangesWithoutMovingAnybody(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: fmt.Sprintf(byInserted, "owa")}, "owa")
		const source, path = "127.0.0.2", "/owa/"
		site, dir := r.read(), filepath.Dir(r.conf)
		for name, words := range map[string]string{"new.words": "correct horse battery staple", "newer.words": "another horse battery staple"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(words), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		first := r.from(source, path)
		home := first.server
		name, generated := issued(t, first)

		r.reload("cookie_passphrase_file = \"new.words\"\n" + site)
		r.sticks("the generated one is an old one", home, source, path, "Cookie", name+"="+generated)
		_, second := issued(t, r.from(source, path, "Cookie", name+"="+generated))
		if second == generated || second == "" {
			t.Fatalf("issued %q; want a new value", second)
		}
		if set := r.from(source, path, "Cookie", name+"="+second).header.Get("Set-Cookie"); set != "" {
			t.Errorf("the new value is issued again: %s", set)
		}

		r.reload("cookie_passphrase_file = \"newer.words\"\ncookie_passphrase_old_files = [\"new.words\"]\n" + site)
		r.sticks("an old one", home, source, path, "Cookie", name+"="+second)
		_, third := issued(t, r.from(source, path, "Cookie", name+"="+second))

		r.reload("cookie_passphrase_file = \"newer.words\"\n" + site)
		r.sticks("the current one", home, source, path, "Cookie", name+"="+third)
		r.spread("one that is not read any more", source, path, "Cookie", name+"="+second)
		if status := fmt.Sprintf("%+v", r.node.Status()); strings.Contains(status, "horse") {
			t.Error("the status shows a passphrase")
		}
	})
}

const byCompanion = "[[profile.owa.chain]]\nby = \"cookie\"\nname = \"UserContext\"\ncompanion = true\n"

// S75: beside the application's cookie casbah sets one of its own, and routes by
// it: after a restart too. S76: it follows the other one's value. S77: altered, or
// with another session, it selects nobody. S78: it ends with the other one.
func TestCompanion(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		s := setup{mode: m, extra: byCompanion}
		r := newMirrorRig(t, s, "owa")
		const source, path = "127.0.0.2", "/owa/"
		first := r.from(source, path, "X-Set", "UserContext=abc; path=/")
		home := first.server
		name, value := issued(t, first)
		if all := first.header.Values("Set-Cookie"); len(all) != 2 || all[0] != "UserContext=abc; path=/" {
			t.Errorf("Set-Cookie %q; want the server's as it is, and casbah's", all)
		}
		_, other := issued(t, r.from(source, path, "Cookie", "UserContext=abc; "+name+"="+value, "X-Set", "UserContext=xyz"))

		// Nothing is left but what the clients have, and the passphrase.
		r.stop()
		for _, file := range []string{"binding.key", "bindings.snapshot"} {
			if err := os.Remove(filepath.Join(filepath.Dir(r.conf), file)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		r.start(s)
		r.sticks("both", home, source, path, "Cookie", "UserContext=abc; "+name+"="+value)
		r.sticks("both, changed", home, source, path, "Cookie", name+"="+other+"; UserContext=xyz")
		r.spread("the application's alone", source, path, "Cookie", "UserContext=abc")
		r.spread("casbah's alone", source, path, "Cookie", name+"="+value)
		r.spread("of another session", source, path, "Cookie", "UserContext=abd; "+name+"="+value)
		r.spread("of the value before", source, path, "Cookie", "UserContext=abc; "+name+"="+other)
		r.spread("altered", source, path, "Cookie", "UserContext=abc; "+name+"="+value[:len(value)-8]+"AAAAAAAA")
		end := r.from(source, path, "Cookie", "UserContext=abc; "+name+"="+value, "X-Set", "UserContext=; Max-Age=0")
		if all := (&http.Response{Header: end.header}).Cookies(); len(all) != 2 || all[1].Name != name || all[1].MaxAge >= 0 {
			t.Errorf("Set-Cookie %v; want the end of both", end.header.Values("Set-Cookie"))
		}
	})
}

// A browser, with its jar, that has a companion: it needs no table.
func TestCompanionInAJar(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		s := setup{mode: m, pool: `algorithm = "round_robin"`, extra: byCompanion}
		r := newRig(t, s)
		c := r.client("127.0.0.2")
		c.logon("alice", "Secret1")
		home := one(t, c.pages(3))
		r.stop()
		for _, file := range []string{"binding.key", "bindings.snapshot"} {
			_ = os.Remove(filepath.Join(filepath.Dir(r.conf), file))
		}
		r.start(s)
		moved := r.moved(c, "127.0.0.3")
		old, now := mustURL(t, c.base), mustURL(t, moved.base)
		moved.Jar.SetCookies(now, c.Jar.Cookies(old))
		if got := one(t, moved.pages(6)); got != home {
			t.Errorf("after the restart pages come from %s; want %s", got, home)
		}
		before := len(moved.Jar.Cookies(mustURL(t, moved.base+"/owa/")))
		moved.get("/owa/auth/logoff.aspx")
		if after := len(moved.Jar.Cookies(mustURL(t, moved.base+"/owa/"))); after > before-2 {
			t.Errorf("%d cookies before the logoff, %d behind it; want UserContext and its companion gone", before, after)
		}
	})
}

// S47, S48, S99, S102: the cookie of format netscaler has its VIP's name, letters
// shifted, and leads to exactly the address and port that it holds.
func TestNetscalerFormat(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: fmt.Sprintf(byInserted, "owa") + "format = \"netscaler\"\n"}, "owa")
		name := map[string]string{"plain": "NSC_qmbjo", "tls": "NSC_umt"}[m.vip]
		const source, path = "127.0.0.2", "/owa/"
		address := map[string]string{} // by name of the server
		for _, s := range r.node.Status().Pools[0].Servers {
			host, port, err := net.SplitHostPort(s.Address)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			if _, err := fmt.Sscan(port, &n); err != nil {
				t.Fatal(err)
			}
			address[s.Name] = fmt.Sprintf("%x%04x", []byte(net.ParseIP(host).To4()), n)
		}
		for range 3 {
			a := r.from(source, path)
			if set := a.header.Get("Set-Cookie"); !strings.HasPrefix(set, name+"="+address[a.server]+";") {
				t.Errorf("Set-Cookie: %s from %s; want %s=%s", set, a.server, name, address[a.server])
			}
		}
		for server, value := range address {
			r.sticks("its address", server, source, path, "Cookie", name+"="+value)
		}
		r.spread("another port", source, path, "Cookie", name+"=7f0000010001")
		r.spread("another address", source, path, "Cookie", name+"=7f000002"+address["cas1"][8:])
	})
}

// atHost is a client, with a jar, of the rig under a name that is not its address.
func (r *rig) atHost(host string) *client {
	c := r.client("127.0.0.2")
	tr := c.Transport.(*http.Transport) //nolint:forcetypeassert // client made it
	dial, addr := tr.DialContext, r.plain
	if r.mode.vip == "tls" {
		addr = r.tls
	}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, addr) }
	c.base = c.base[:strings.Index(c.base, "//")+2] + host
	return c
}

// S82: a server's cookie of the name of casbah's own passes as it is, and is
// reported. S83: of two with one name and domain a browser keeps one, with two
// domains both. Casbah's comes last, so that the session holds either way.
func TestCookieClash(t *testing.T) {
	const host = "mail.example.org"
	for _, tt := range []struct {
		name, domain string
		kept         int // cookies in the jar
	}{{"same-domain", "", 1}, {"other-domain", "; Domain=example.org", 2}} {
		t.Run(tt.name, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newMirrorRig(t, setup{mode: m, extra: fmt.Sprintf(byInserted, "owa") + "name = \"OURS\"\n"}, "owa")
				c := r.atHost(host)
				theirs := "OURS=theirs; Path=/" + tt.domain
				first := c.do("GET", "/owa/", "", "X-Set", theirs)
				if all := first.header.Values("Set-Cookie"); len(all) != 2 || all[0] != theirs {
					t.Errorf("Set-Cookie %q; want the server's as it is, and casbah's", all)
				}
				if kept := c.Jar.Cookies(mustURL(t, c.base+"/owa/")); len(kept) != tt.kept {
					t.Errorf("the jar keeps %v; want %d", kept, tt.kept)
				}
				for range 4 {
					if a := c.do("GET", "/owa/", ""); a.server != first.server {
						t.Errorf("served by %s; want %s", a.server, first.server)
					}
				}
				r.until("the clash is reported", func() bool { return len(r.clashes()) > 0 })
				text := r.clashes()[0]
				for _, want := range []string{"vip " + m.vip, "server " + first.server, "cookie OURS", "profile owa"} {
					if !strings.Contains(text, want) {
						t.Errorf("event %q does not tell %q", text, want)
					}
				}
				if strings.Contains(text, "theirs") {
					t.Errorf("event %q tells the value", text)
				}
			})
		})
	}
}

// clashes returns the texts of the events about cookies.
func (r *rig) clashes() []string {
	var all []string
	for _, e := range r.node.Status().Events {
		if e.Kind == "cookie" {
			all = append(all, e.Text)
		}
	}
	return all
}

// S82: clashes are counted each, and told of once a minute.
func TestClashesAreCounted(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: fmt.Sprintf(byInserted, "owa") + "name = \"OURS\"\n"}, "owa")
		for range 3 {
			r.from("127.0.0.2", "/owa/", "Cookie", "OURS=foreign")
			r.from("127.0.0.2", "/owa/", "X-Set", "OURS=theirs")
		}
		count := func() node.VIPStatus { return r.vipStatus("plain") }
		r.until("all are counted", func() bool { return count().ClashesSet == 3 && count().ClashesBrought == 3 })
		r.until("they are told of", func() bool { return len(r.clashes()) > 0 })
		if n := len(r.clashes()); n != 1 {
			t.Errorf("%d events; want 1", n)
		}
	})
}

// S101: a client that stores no cookie shows in the access log, and its connection
// in a counter. One that does store it, or comes once, does not.
func TestClientsThatStoreNoCookieAreVisible(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: fmt.Sprintf(byInserted, "owa")}, "owa", "ews")
		stores := r.client("127.0.0.2")
		ignores := r.client("127.0.0.3")
		ignores.Jar = nil
		for _, path := range []string{"/owa/a", "/ews/b", "/owa/c", "/owa/d"} {
			stores.do("GET", path, "")
			ignores.do("GET", path, "")
		}
		r.from("127.0.0.4", "/owa/once")
		for _, rec := range r.logged(9) {
			want := strings.HasPrefix(rec.Client, "127.0.0.3:") && (rec.Path == "/owa/c" || rec.Path == "/owa/d")
			if rec.Cookieless != want {
				t.Errorf("%s from %s: cookieless %v; want %v", rec.Path, rec.Client, rec.Cookieless, want)
			}
		}
		if n := r.vipStatus(m.vip).Cookieless; n != 1 {
			t.Errorf("%d connections without cookies; want 1", n)
		}
	})
}

// S52, S57, S107: what is in force for all cookies of casbah's own is set at one
// place, and the status shows it.
func TestStatusShowsThePersistenceInForce(t *testing.T) {
	r := newMirrorRig(t, setup{extra: fmt.Sprintf(byInserted, "owa") + "timeout = \"2m\"\n"}, "owa")
	cookie := func() *node.InsertedStatus { return r.vipStatus("plain").Persistence[0].Inserted }
	if c := cookie(); c == nil || c.Version != 0 || c.Timeout.Minutes() != 2 || !c.HTTPOnly || c.Format != "casbah" {
		t.Errorf("cookie %+v; want version 0, 2 minutes, HttpOnly, sealed", c)
	}
	r.reload("cookie_version = 1\ncookie_http_only = false\n" + r.read())
	if c := cookie(); c.Version != 1 || c.HTTPOnly {
		t.Errorf("cookie %+v; want version 1 without HttpOnly", c)
	}
	if set := r.from("127.0.0.2", "/owa/").header.Get("Set-Cookie"); !strings.Contains(set, "; Max-Age=120;") || strings.Contains(set, "HttpOnly") {
		t.Errorf("Set-Cookie: %s; want Max-Age and no HttpOnly", set)
	}
}
