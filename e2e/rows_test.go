package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casbah/lab"
	"casbah/profiles"
)

// S15: OWA uses the source address first, the UserContext cookie second (S10).
// S16: ECP likewise with msExchEcpCanary (S7). S17: ActiveSync with the user of
// the Authorization header. S19: Outlook Anywhere with a step none in between
// and OutlookSession, which the client makes (S4).
func TestFirstKeyAndSecondKey(t *testing.T) {
	for _, tt := range []struct{ profile, path, header, value, set, step string }{
		{"owa", "/owa/", "Cookie", "UserContext=abc", "UserContext=abc; path=/", "cookie UserContext"},
		{"ecp", "/ecp/", "Cookie", "msExchEcpCanary=abc", "msExchEcpCanary=abc; path=/", "cookie msExchEcpCanary"},
		{"eas", "/Microsoft-Server-ActiveSync", "Authorization", basicAuth(`LAB\alice`, "Secret1"), "", "header Authorization"},
		{"outlook_anywhere", "/rpc/rpcproxy.dll", "Cookie", `OutlookSession="{F2AB-17}"`, "", "cookie OutlookSession"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newMirrorRig(t, setup{mode: m}, "owa", "ecp", "eas", "outlook_anywhere")
				home := r.from("127.0.0.2", tt.path, tt.header, tt.value, "X-Set", tt.set).server
				r.from("127.0.0.2", tt.path, tt.header, tt.value) // both keys
				r.from("127.0.0.3", tt.path, tt.header, tt.value) // another address
				r.from("127.0.0.3", tt.path)                      // which is bound by now
				away := r.from("127.0.0.4", tt.path).server       // nobody known
				if home == away {
					t.Errorf("%s serves a client that nothing binds to it", away)
				}
				want := []decision{
					{tt.profile, home, "", "fresh", 200},
					{tt.profile, home, "source_ip", "bound", 200},
					{tt.profile, home, tt.step, "bound", 200},
					{tt.profile, home, "source_ip", "bound", 200},
					{tt.profile, away, "", "fresh", 200},
				}
				got := r.decisions()
				for i := range min(len(want), len(got)) {
					if got[i] != want[i] {
						t.Errorf("request %d: %+v; want %+v", i+1, got[i], want[i])
					}
				}
				if len(got) != len(want) {
					t.Errorf("%d records; want %d", len(got), len(want))
				}
			})
		})
	}
}

// S17: a phone that changes its network and its password keeps its server.
func TestPhoneKeepsItsServer(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		const sync = "/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice&DeviceId=d1"
		first := r.client("127.0.0.2").do("POST", sync, "", "Authorization", basicAuth(`LAB\alice`, "Secret1"))
		r.array.Users().Add("alice", "Changed1")
		for _, source := range []string{"127.0.0.3", "127.0.0.4", "127.0.0.5"} {
			a := r.client(source).do("POST", sync, "", "Authorization", basicAuth(`lab\Alice`, "Changed1"))
			if a.status != http.StatusOK || a.server != first.server || a.user != "alice" {
				t.Errorf("from %s: status %d by %s for %q; want 200 by %s for alice", source, a.status, a.server, a.user, first.server)
			}
		}
		other := r.client("127.0.0.6").do("POST", sync, "", "Authorization", basicAuth("bob", "Secret2"))
		if other.server == first.server {
			t.Errorf("bob is served by %s; the turn is another's", other.server)
		}
	})
}

// S19: both channels of an Outlook that moves to another address, which is its
// IN channel's, come to one server.
func TestOutlookAnywhereChannelsMeet(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, lab: lab.Options{AnonymousRPC: true}})
		virtual := lab.Cookie{7}
		a1, b1 := lab.ConnA1(virtual, lab.Cookie{1}), lab.ConnB1(virtual, lab.Cookie{2}, lab.Cookie{3})
		const head = "%s /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nCookie: OutlookSession=\"{F2AB}\"\r\nContent-Length: %d\r\n\r\n%s"
		out := r.wire(t, "127.0.0.2")
		out.sayf(head, "RPC_OUT_DATA", len(a1), a1)
		out.want("HTTP/1.1 200 Success\r\n")
		out.head()
		out.hear(28) // CONN/A3
		in := r.wire(t, "127.0.0.3")
		in.sayf(head, "RPC_IN_DATA", 1<<30, b1)
		if c2 := out.hear(44); c2[0] != 5 || c2[2] != 20 { // the server has both channels
			t.Errorf("PDU % x; want CONN/C2", c2)
		}
		for _, cas := range r.array.Servers() {
			if n := cas.Counts().Splits; n != 0 {
				t.Errorf("%s met %d channels whose other half is elsewhere; want none", cas.Name(), n)
			}
		}
	})
}

// S35: a binding lasts for the idle time that is configured for its profile.
func TestBindingLastsAsLongAsItsProfileSays(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: "[profile.eas]\nbinding_timeout = \"1s\"\n"}, "eas", "owa")
		r.from("127.0.0.2", "/Microsoft-Server-ActiveSync")
		r.from("127.0.0.2", "/owa/")
		bound := time.Now()
		r.until("the binding of one profile has ended", func() bool { return time.Since(bound) > 2500*time.Millisecond })
		r.from("127.0.0.2", "/Microsoft-Server-ActiveSync")
		r.from("127.0.0.2", "/owa/")
		got := r.decisions()
		if len(got) != 4 || got[2].Why != "fresh" || got[3].Why != "bound" || got[3].Server != got[1].Server {
			t.Errorf("decisions %+v; want that of eas to be fresh and that of owa bound", got)
		}
	})
}

const (
	byUserContext = "[[profile.owa.chain]]\nby = \"cookie\"\nname = \"UserContext\"\n"
	byInserted    = "[[profile.%s.chain]]\nby = \"insert_cookie\"\n"
)

// S70: stickiness by an application cookie begins with a server's Set-Cookie of
// that name and not before. S72: until then the algorithm chooses. S74: a client
// that refuses cookies never sticks. S78: a Set-Cookie with a past expiry ends it.
func TestStickinessBeginsAndEndsWithTheServer(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: byUserContext}, "owa")
		const source, path, cookie = "127.0.0.2", "/owa/", "UserContext=abc"
		r.spread("no cookie", source, path)
		r.spread("another cookie is set", source, path, "X-Set", "Other=abc")
		r.spread("a cookie that no server has set", source, path, "Cookie", cookie)
		home := r.from(source, path, "X-Set", cookie+"; path=/; HttpOnly").server
		r.sticks("the cookie that was set", home, source, path, "Cookie", "first=1; "+cookie)
		r.sticks("from elsewhere", home, "127.0.0.3", path, "Cookie", cookie)
		r.spread("the client refuses it", source, path)
		r.spread("another value", source, path, "Cookie", "UserContext=abd")
		r.from(source, path, "Cookie", cookie, "X-Set", "UserContext=; expires=Thu, 01-Jan-1970 00:00:00 GMT")
		r.spread("after its end", source, path, "Cookie", cookie)
	})
}

// S93: a cookie counts where its step is and it is valid there. S94: an invalid
// one is ignored, the request is balanced, and a new cookie is issued.
func TestInvalidInsertedCookiesAreIgnored(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		extra := fmt.Sprintf(byInserted, "owa") + fmt.Sprintf(byInserted, "powershell")
		r := newMirrorRig(t, setup{mode: m, extra: extra}, "owa", "powershell", "ews")
		const source = "127.0.0.2"
		good := r.from(source, "/owa/")
		name, value := issued(t, good)
		foreign, _ := issued(t, r.from(source, "/PowerShell/"))
		r.sticks("as issued", good.server, source, "/owa/", "Cookie", name+"="+value)
		altered := func(i int) string {
			other := "A"
			if value[i] == 'A' {
				other = "B"
			}
			return value[:i] + other + value[i+1:]
		}
		for what, cookie := range map[string]string{
			"first octet altered": name + "=" + altered(0),
			"octet altered":       name + "=" + altered(len(value)/2),
			"cut":                 name + "=" + value[:len(value)-1],
			"longer":              name + "=" + value + "A",
			"empty":               name + "=",
			"name of a server":    name + "=" + good.server,
			"quoted":              name + "=\"" + value + "\"",
		} {
			r.spread(what, source, "/owa/", "Cookie", cookie)
			if again, _ := issued(t, r.from(source, "/owa/", "Cookie", cookie)); again != name {
				t.Errorf("%s: %q is issued; want a new %s", what, again, name)
			}
		}
		// The value is sealed for the place where it was issued, under whatever name.
		r.spread("of another profile", source, "/PowerShell/", "Cookie", foreign+"="+value)
		r.spread("where no step reads it", source, "/EWS/", "Cookie", name+"="+value)
		r.sticks("a good one behind a bad one", good.server, source, "/owa/", "Cookie", name+"=bad; "+name+"="+value)
	})
}

// issued returns the name and value of the cookie that an answer sets.
func issued(tb testing.TB, a answer) (name, value string) {
	tb.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if strings.HasPrefix(c.Name, "CASBAH_") {
			return c.Name, c.Value
		}
	}
	tb.Errorf("no cookie of casbah's in %v", a.header)
	return "", ""
}

// S92: the path decides the profile, and with it the servers and the chain,
// before any cookie is looked at.
func TestPathDecidesBeforeTheCookie(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, extra: byUserContext + "[[profile.ews.chain]]\nby = \"none\"\n"}, "owa", "ews")
		const source, cookie = "127.0.0.2", "UserContext=abc"
		home := r.from(source, "/owa/", "X-Set", cookie).server
		for _, path := range []string{"/owa", "/OWA/x", "/exchange/alice", "/%6Fwa/"} {
			r.sticks(path, home, source, path, "Cookie", cookie)
		}
		for _, path := range []string{"/ews", "/EWS/owa/", "/ews/owa"} {
			r.spread(path, source, path, "Cookie", cookie)
		}
		if a := r.from(source, "/owax", "Cookie", cookie); a.status != http.StatusNotFound || a.server != "" {
			t.Errorf("/owax: status %d by %q; want 404 by nobody", a.status, a.server)
		}
	})
}

// S5, S73: a key that reads or writes a cookie is refused where casbah does not
// see the request. S89: a Secure cookie is refused on a plain http VIP.
func TestCheckRefusesCookiesOutOfPlace(t *testing.T) {
	const site = "[[server]]\nname = \"cas1\"\naddress = \"192.0.2.1\"\n[[pool]]\nname = \"cas\"\nservers = [\"cas1\"]\n" +
		"[[vip]]\nname = \"v\"\ntype = %q\nlisten = [\"127.0.0.1:0\"]\nprofiles = [%q]\npool = \"cas\"\n[[profile.%s.chain]]\n%s"
	const cookie, inserted = "by = \"cookie\"\nname = \"c\"\n", "by = \"insert_cookie\"\n"
	for _, tt := range []struct{ name, vip, profile, step, want string }{
		{"cookie-on-http", "http", "owa", cookie, ""},
		{"inserted-on-http", "http", "owa", inserted, ""},
		{"cookie-on-tcp", "tcp", "pop3", cookie, `(source_ip, dest_ip, src_dest_ip, rpc_association, none), got "cookie"`},
		{"inserted-on-tcp", "tcp", "pop3", inserted, `(source_ip, dest_ip, src_dest_ip, rpc_association, none), got "insert_cookie"`},
		{"cookie-on-tls-relay", "tls", "imap4", cookie, `(source_ip, ssl_id, none), got "cookie"`},
		{"cookie-on-bridge", "ssl_bridge", "owa", cookie, `VIP "v" of type ssl_bridge can have (source_ip, ssl_id, none), got "cookie"`},
		{"inserted-on-bridge", "ssl_bridge", "owa", inserted, `VIP "v" of type ssl_bridge can have (source_ip, ssl_id, none), got "insert_cookie"`},
		{"secure-on-http", "http", "owa", inserted + "secure = true\n", `want false, because clients of the plain http VIP "v" would drop the cookie`},
		{"not-secure-on-http", "http", "owa", inserted + "secure = false\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "casbah.toml")
			if err := os.WriteFile(path, fmt.Appendf(nil, site, tt.vip, tt.profile, tt.profile, tt.step), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := profiles.Load(path)
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var mistakes profiles.Mistakes
			if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load: %v; want %s", err, tt.want)
			}
		})
	}
}
