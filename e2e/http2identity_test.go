package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-ntlmssp"
)

// roamer is a user with a program that speaks both versions: each request goes by
// a connection of HTTP/2 that many users share, as behind a gateway that joins
// them, or by one of HTTP/1.1 of the user's own.
type roamer struct {
	rng    *rand.Rand
	name   string
	lanes  []*client // what carries requests; their cookies are not used
	jar    http.CookieJar
	server string // of the mailbox's session
	t      *testing.T
}

// by returns a client that asks with the roamer's cookies over one of the lanes.
func (u *roamer) by() *client {
	lane := u.lanes[u.rng.IntN(len(u.lanes))]
	return &client{Client: &http.Client{Transport: lane.Transport, Jar: u.jar}, base: lane.base, t: u.t}
}

// step makes one request of some kind, and returns what must not be.
func (u *roamer) step() error {
	switch n := u.rng.IntN(10); {
	case n < 3:
		return u.phone()
	case n < 7:
		return u.mail()
	case n < 9:
		return u.anonymous()
	default:
		return u.windows()
	}
}

// phone asks for what ActiveSync can do, by Basic, at times with a wrong password.
func (u *roamer) phone() error {
	c := u.by()
	req, err := http.NewRequestWithContext(u.t.Context(), http.MethodOptions, c.base+"/Microsoft-Server-ActiveSync", nil)
	if err != nil {
		return err
	}
	password, want := passwordOf(u.name), u.name
	if u.rng.IntN(4) == 0 {
		password, want = "wrong", ""
	}
	req.SetBasicAuth(u.name, password)
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("X-Lab-User"); got != want || (resp.StatusCode == http.StatusOK) != (want != "") {
		return fmt.Errorf("ActiveSync of %q: %s as %q", want, resp.Status, got)
	}
	return nil
}

// mail looks at the mailbox, after a login by the form at the first time.
func (u *roamer) mail() error {
	c := u.by()
	if u.server == "" {
		form := url.Values{"destination": {"/owa/"}, "username": {u.name}, "password": {passwordOf(u.name)}}
		resp, _, err := c.tryFetch("POST", "/owa/auth.owa", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
		if err != nil {
			return err
		}
		if u.server = resp.Header.Get("X-Lab-Server"); resp.StatusCode != http.StatusOK {
			return fmt.Errorf("login of %s: %s", u.name, resp.Status)
		}
		return nil
	}
	resp, page, err := c.tryFetch("GET", "/owa/", nil)
	switch {
	case err != nil:
		return err
	case resp.Header.Get("X-Lab-Server") != u.server:
		return fmt.Errorf("the mailbox of %s is asked for at %s; its session is at %s", u.name, resp.Header.Get("X-Lab-Server"), u.server)
	case resp.StatusCode != http.StatusOK || resp.Header.Get("X-Lab-User") != u.name || !strings.Contains(string(page), u.name):
		return fmt.Errorf("the mailbox of %s: %s as %q", u.name, resp.Status, resp.Header.Get("X-Lab-User"))
	}
	return nil
}

// anonymous asks for what wants a Windows login, without one.
func (u *roamer) anonymous() error {
	resp, page, err := u.by().tryFetch("GET", "/EWS/Exchange.asmx", nil, "X-Expect-User", "")
	if err != nil {
		return err
	}
	if name := resp.Header.Get("X-Lab-User"); name != "" || resp.StatusCode == http.StatusOK {
		return fmt.Errorf("EWS without a login: %s as %q: %s", resp.Status, name, page)
	}
	return nil
}

// windows begins a Windows login, which ends nowhere over a lane that is shared.
func (u *roamer) windows() error {
	value, err := ntlmType1("NTLM")
	if err != nil {
		return err
	}
	resp, _, err := u.by().tryFetch("GET", "/EWS/Exchange.asmx", nil, "Authorization", value)
	if err != nil {
		return err
	}
	offers := strings.Join(resp.Header["Www-Authenticate"], ",")
	if resp.Header.Get("X-Lab-User") != "" || resp.StatusCode == http.StatusOK || resp.ProtoMajor == 2 && strings.Contains(offers, "NTLM") {
		return fmt.Errorf("half a Windows login over %s: %s, offered %q", resp.Proto, resp.Status, offers)
	}
	return nil
}

// I1 over HTTP/2: whoever shares a connection of HTTP/2 with whom, and asks by
// HTTP/1.1 beside, in whatever order, nobody is served as somebody else, and
// everybody stays at the server that has the session.
func TestNobodyIsServedAsAnotherOverHTTP2(t *testing.T) {
	for _, tt := range []struct{ name, extra string }{
		{"own-connections", ""},
		{"anonymous-reuse", anonymousReuse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			newHTTP2(t, func(t *testing.T, r *rig) { roam(t, r) }, setup{
				profiles: `"owa", "ecp", "eas", "ews"`, pool: `algorithm = "round_robin"`,
				extra: unprobed("owa", "ecp", "eas", "ews") + tt.extra,
			})
		})
	}
}

// roam sends users about.
func roam(t *testing.T, r *rig) {
	t.Helper()
	users, steps := 24, 60
	if raceDetector {
		users, steps = 12, 20
	}
	seed := stormSeed(t)
	t.Logf("CASBAH_SEED=%d", seed)
	var lanes []*client
	for i := range 4 {
		lanes = append(lanes, r.http2(fmt.Sprintf("127.0.0.%d", 2+i)))
	}
	var work sync.WaitGroup
	for i := range users {
		name := fmt.Sprintf("user%02d", i)
		r.array.Users().Add(name, passwordOf(name))
		source := fmt.Sprintf("127.0.0.%d", 2+i%8)
		u := &roamer{
			rng: rand.New(rand.NewPCG(seed, uint64(i))), name: name, jar: newJar(), t: t,
			lanes: append([]*client{r.client(source)}, lanes...),
		}
		work.Go(func() {
			for step := range steps {
				if err := u.step(); err != nil {
					t.Errorf("%s, step %d: %v", name, step, err)
					return
				}
			}
		})
		if i%4 > 0 {
			continue
		}
		c := r.client(source) // and a Windows login of the same user, as HTTP/1.1 has it
		c.Transport = ntlmssp.Negotiator{RoundTripper: c.Transport}
		work.Go(func() {
			for n := range 12 {
				if err := c.post(name, n); err != nil {
					t.Errorf("%s, request %d by HTTP/1.1: %v", name, n, err)
					return
				}
			}
		})
	}
	work.Wait()
	if n := r.array.Leaks(); n != 0 {
		t.Errorf("%d requests under a foreign name; want none", n)
	}
	if v := r.vipStatus("tls"); v.HTTP2.Requests < uint64(users) || v.HTTP2.Accepted > 4*8 {
		t.Errorf("%d requests by %d connections of HTTP/2", v.HTTP2.Requests, v.HTTP2.Accepted)
	}
}
