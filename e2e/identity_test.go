package e2e

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"

	"casbah/lab"
)

// anonymousReuse lets connections that never carried an identity serve others.
const anonymousReuse = "[profile.ews]\nreuse = \"anonymous\"\n[profile.owa]\nreuse = \"anonymous\"\n"

// The identity firewall under fire: whatever many clients do on many
// connections, in whatever order, nobody is ever served as somebody else.
//
// CASBAH_LONG=10m makes each storm last that long, 1 a minute; CASBAH_SEED=n
// repeats one.
func TestNobodyIsServedAsAnother(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, extra string }{
		{"own-connections", ""},
		{"anonymous-reuse", anonymousReuse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newRig(t, setup{
					mode:     m,
					extra:    unprobed("owa", "ews", "oab", "autodiscover") + tt.extra,
					profiles: `"owa", "ews", "oab", "autodiscover"`,
				})
				l := newLedger()
				long := duration(t)
				over := func(step int, since time.Time) bool {
					broken, _ := l.stats()
					return broken >= breaches || step >= stormSteps() && time.Since(since) >= long
				}
				connect := func(source string) (net.Conn, error) { return r.connect(source) }
				rage(t, front{array: r.array, connect: connect, users: 16, storms: 3}, l, over)
				for _, words := range l.words {
					t.Error(words)
				}
				if n := r.array.Leaks(); l.broken > 0 || n > 0 {
					t.Errorf("%d breaches; the array counts %d requests under a foreign name; want none", l.broken, n)
				}
				if l.logons == 0 || l.refused == 0 || l.large == 0 {
					t.Errorf("%d logons, %d wrong passwords and %d bodies of 1 MiB; want some of each", l.logons, l.refused, l.large)
				}
				ids := r.vipStatus(m.vip).Identities
				if ids.Faults != 0 || ids.Relogins == 0 {
					t.Errorf("casbah counts %d faults and %d relogins; want none, some", ids.Faults, ids.Relogins)
				}
				if shared := l.shared > 0; shared != (tt.extra != "") {
					t.Errorf("connections to servers changed hands %d times", l.shared)
				}
			})
		})
	}
}

// The storm is worth something: in front of a balancer that shares its
// connections to servers among clients, as most do, it finds foreign names. In front
// of casbah, the same one finds none.
func TestStormFindsSharedConnections(t *testing.T) {
	array := newArray(t, lab.Options{})
	proxy := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = "http", array.CAS(0).Addr()
		},
		Transport: &http.Transport{},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	site := httptest.NewServer(proxy)
	defer site.Close()
	sharesIdentities(t, array, site.Listener.Addr().String())
	casbahDoesNot(t)
}

// sharesIdentities fails the test unless a balancer at addr, in front of array, serves
// somebody as somebody else.
func sharesIdentities(t *testing.T, array *lab.Array, addr string) {
	t.Helper()
	l := newLedger()
	over := func(step int, _ time.Time) bool {
		_, foreign := l.stats()
		return step >= 100_000 || foreign && array.Leaks() > 0
	}
	connect := func(string) (net.Conn, error) { return net.Dial("tcp", addr) }
	// Few, or no handshake ever comes to its end.
	rage(t, front{array: array, connect: connect, users: 2, storms: 1, calm: true}, l, over)
	if _, foreign := l.stats(); array.Leaks() == 0 || !foreign {
		t.Errorf("the array counts %d foreign names, the storm finds any = %v; want some", array.Leaks(), foreign)
	}
	for _, words := range l.words {
		t.Log(words)
	}
}

// casbahDoesNot rages as sharesIdentities does, in front of casbah with each driver,
// whose connections to servers change hands where nobody logs on.
func casbahDoesNot(t *testing.T) {
	t.Helper()
	for _, engine := range drivers {
		r := newRig(t, setup{
			mode: mode{engine: engine}, extra: unprobed("owa", "ews", "oab", "autodiscover") + anonymousReuse, profiles: `"owa", "ews", "oab", "autodiscover"`,
		})
		l := newLedger()
		over := func(step int, _ time.Time) bool {
			broken, _ := l.stats()
			return broken > 0 || step >= stormSteps()
		}
		connect := func(source string) (net.Conn, error) { return r.connect(source) }
		rage(t, front{array: r.array, connect: connect, users: 2, storms: 1, calm: true}, l, over)
		if l.broken > 0 || r.array.Leaks() > 0 || l.logons == 0 || l.shared == 0 {
			t.Errorf("casbah with engine %s: %d breaches, %d foreign names, %d logons, %d connections changed hands: %q",
				engine, l.broken, r.array.Leaks(), l.logons, l.shared, l.words)
		}
	}
}

// stormSteps is how many steps a storm makes.
func stormSteps() int {
	if testing.Short() {
		return 1500
	}
	return 4000
}

// duration returns how long a storm lasts at least, by the environment.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CASBAH_LONG")
	switch text {
	case "":
		return 0
	case "1":
		return time.Minute
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CASBAH_LONG: %v", err)
	}
	return long
}

// rage runs storms at the same time until each is over.
func rage(t *testing.T, f front, l *ledger, over func(step int, since time.Time) bool) {
	t.Helper()
	seed := stormSeed(t)
	names := make([]string, f.users)
	for i := range names {
		names[i] = fmt.Sprintf("user%02d", i)
		f.array.Users().Add(names[i], passwordOf(names[i]))
	}
	o, since := newOutages(f.array), time.Now()
	var raging sync.WaitGroup
	for i := range f.storms {
		s := &storm{front: f, rng: rand.New(rand.NewPCG(seed, uint64(i))), names: names, outages: o, ledger: l}
		s.calm = f.calm || i > 0 // one stops servers for all
		raging.Go(func() { s.run(func(step int) bool { return over(step, since) }) })
	}
	raging.Wait()
	t.Logf("CASBAH_SEED=%d: %d connections, %d logons, %d refused, %d bodies of 1 MiB, %d lost to %v outages, %d changed hands",
		seed, l.calls, l.logons, l.refused, l.large, l.lost, o.begun, l.shared)
}

// stormSeed returns the seed that the environment names, or a new one.
func stormSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("CASBAH_SEED")
	if text == "" {
		return rand.Uint64()
	}
	var seed uint64
	if _, err := fmt.Sscan(text, &seed); err != nil {
		t.Fatalf("CASBAH_SEED: %v", err)
	}
	return seed
}

// A connection is pinned before a credential is sent on it, whatever the answer
// will be: Kerberos takes one leg and no 401.
func TestCredentialsPinBeforeAnyAnswer(t *testing.T) {
	for name, value := range map[string]string{
		"negotiate": "Negotiate YIIabc=", "spelling": "nEGOTIATE YIIabc=", "kerberos": "Kerberos YIIabc=",
		"ntlm": "NTLM TlRMTVNTUAABAAAA", "bare": "NTLM", "listed": "Basic YTpi, Negotiate YIIabc=",
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				a, b := newStub(t), newStub(t)
				r := newRig(t, setup{
					mode:    m,
					servers: []string{a.Addr().String(), b.Addr().String()}, profiles: `"autodiscover", "ews"`,
					pool: `algorithm = "round_robin"`, extra: unprobed("autodiscover", "ews") + "[profile.autodiscover]\nreuse = \"anonymous\"\n",
				})
				c := r.wire(t, "127.0.0.2")
				c.sayf("GET /autodiscover/1 HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", value)
				server := a.accept() // the first in turn
				server.head()
				server.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				c.head()
				c.say("GET /autodiscover/2 HTTP/1.1\r\nHost: h\r\n\r\n")
				server.want("GET /autodiscover/2 HTTP/1.1\r\n") // not the second server, whose turn it is
				server.head()
				server.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				c.head()
				_ = c.Close()
				server.ends() // it is not kept for another client
			})
		})
	}
}

// Access records name the users of connections that carry an identity where the site
// asks for that, and nobody else; without, nobody at all.
func TestRecordsNameUsersWhereAsked(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		s := setup{mode: m, profiles: `"ews"`, extra: unprobed("ews")}
		r := newRig(t, s)
		for _, asked := range []bool{false, true} {
			if asked {
				r.stop()
				_ = os.Remove(filepath.Join(filepath.Dir(r.conf), "access.log"))
				r.write(strings.Replace(r.read(), "[log]\n", "[log]\nusers = true\n", 1))
				r.start(s)
			}
			c := r.client("127.0.0.2")
			c.get("/EWS/Exchange.asmx") // as nobody
			c.Transport = ntlmssp.Negotiator{RoundTripper: c.Transport}
			r.array.Users().Add("alice", passwordOf("alice"))
			if err := c.post("alice", 1); err != nil {
				t.Fatal(err)
			}
			c.CloseIdleConnections()
			records := r.logged(4) // the negotiator asks without credentials first, then in two legs
			users := make([]string, 0, len(records))
			for _, rec := range records {
				users = append(users, rec.User)
			}
			want := ",,,"
			if asked {
				want = ",,,alice"
			}
			if got := strings.Join(users, ","); got != want {
				t.Errorf("log.users = %v: records name %q; want %q", asked, got, want)
			}
		}
	})
}

// When the server closes a pinned connection, the client's closes too: on
// another one its requests would be nobody's, or asked for a login in the middle.
func TestPinnedPairEndsTogether(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r, s := newStubRig(t, m, "ews", "owa")
		c := r.wire(t, "127.0.0.2")
		c.say("GET /EWS/ HTTP/1.1\r\nHost: h\r\n\r\n")
		server := s.accept()
		server.head()
		const challenge = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
		server.say(challenge)
		c.want(challenge)
		c.say("GET /owa/ HTTP/1.1\r\nHost: h\r\n\r\n")
		other := s.accept() // the pinned connection serves its profile alone
		other.want("GET /owa/ HTTP/1.1\r\n")
		other.head()
		other.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		c.head()
		_ = server.Close()
		c.ends()
		other.ends()
	})
}

// A real client library, several users at once, bodies with a length and
// chunked: each request is its own user's.
func TestNTLMClients(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		var clients sync.WaitGroup
		for i := range 8 {
			user := fmt.Sprintf("user%02d", i)
			r.array.Users().Add(user, passwordOf(user))
			c := r.client(fmt.Sprintf("127.0.0.%d", 2+i%4))
			c.Transport = ntlmssp.Negotiator{RoundTripper: c.Transport}
			clients.Go(func() {
				for n := range 12 {
					if err := c.post(user, n); err != nil {
						t.Errorf("%s, request %d: %v", user, n, err)
						return
					}
				}
			})
		}
		clients.Wait()
		if n := r.array.Leaks(); n != 0 {
			t.Errorf("%d requests under a foreign name; want none", n)
		}
	})
}

// post sends a body with a length or, every other time, chunked, as user.
func (c *client) post(user string, n int) error {
	var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("x"), n*1000))
	if n%2 == 1 {
		body = io.MultiReader(body) // of unknown length
	}
	req, err := http.NewRequestWithContext(c.t.Context(), "POST", c.base+"/EWS/Exchange.asmx", body)
	if err != nil {
		return err
	}
	req.SetBasicAuth(user, passwordOf(user)) // the negotiator turns it into NTLM
	req.Header.Set("X-Expect-User", user)
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if got := resp.Header.Get("X-Lab-User"); resp.StatusCode != http.StatusOK || got != user || !strings.Contains(string(text), ">"+user+"<") {
		return fmt.Errorf("status %d as %q; want 200", resp.StatusCode, got)
	}
	return nil
}
