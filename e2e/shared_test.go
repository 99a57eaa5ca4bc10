package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"casbah/lab"
	"casbah/node"
)

// nat is the address that many clients have in common. Tests speak as a proxy in
// front of casbah, which names it.
const nat = "203.0.113.5"

// crowd is many users of an array of four servers.
type crowd struct {
	r      *rig
	users  []*member
	source func(n int) string // the address of user n
}

// member is one of them.
type member struct {
	client *client
	name   string
	server string // that answered first
}

// newCrowd returns a rig whose clients come through a trusted proxy.
func newCrowd(t *testing.T, m mode, extra string) *crowd {
	t.Helper()
	r := newRig(t, setup{
		mode: m, lab: lab.Options{Servers: 4}, pool: `algorithm = "round_robin"`, profiles: `"owa", "ecp", "eas"`,
		vip: `trusted_proxies = ["127.0.0.0/8"]`, extra: unprobed("owa", "ecp", "eas") + extra,
	})
	return &crowd{r: r, source: func(int) string { return nat }}
}

// join adds n users, who have an account and nothing else.
func (c *crowd) join(n int) {
	for range n {
		name := fmt.Sprintf("user%d", len(c.users))
		c.r.array.Users().Add(name, "Secret1")
		c.users = append(c.users, &member{name: name, client: c.r.client("127.0.0.2")})
	}
}

// each lets all users visit, a few at a time, and fails if one does not come to the
// server that had the user before.
func (c *crowd) each(visit func(u *member, source string) answer) {
	c.r.t.Helper()
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			for n := worker; n < len(c.users); n += 4 {
				u := c.users[n]
				a := visit(u, c.source(n))
				u.client.CloseIdleConnections()
				if u.server == "" {
					u.server = a.server
				}
				if a.status != http.StatusOK || a.user != u.name || a.server != u.server {
					c.r.t.Errorf("%s: status %d as %q by %s; want 200 by %s", u.name, a.status, a.user, a.server, u.server)
				}
			}
		})
	}
	work.Wait()
}

// phone synchronises by ActiveSync.
func (c *crowd) phone(u *member, source string) answer {
	path := "/Microsoft-Server-ActiveSync?Cmd=FolderSync&User=" + u.name + "&DeviceId=dev" + u.name + "&DeviceType=Phone"
	return u.client.do("POST", path, "", "X-Forwarded-For", source, "Authorization", loginOf(u.name))
}

// browser reads mail, and logs on before if it has not.
func (c *crowd) browser(u *member, source string) answer {
	if f, ok := u.client.Transport.(*forwarded); ok {
		f.source = source
	} else {
		u.client.Transport = &forwarded{u.client.Transport, source}
	}
	if u.server == "" {
		u.client.get("/owa/auth/logon.aspx")
		if a := u.client.logon(u.name, "Secret1"); a.status != http.StatusOK {
			return a
		}
	}
	return u.client.get("/owa/?page=2")
}

// forwarded adds to every request, those that follow redirects too, for whom it is.
type forwarded struct {
	http.RoundTripper
	source string
}

func (f *forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.source)
	return f.RoundTripper.RoundTrip(r)
}

func (f *forwarded) CloseIdleConnections() {
	if c, ok := f.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func loginOf(user string) string {
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, "Secret1")
	return r.Header.Get("Authorization")
}

// uneven returns how many times as many users the busiest server has as the
// idlest.
func (c *crowd) uneven() float64 {
	by := map[string]int{}
	for _, u := range c.users {
		by[u.server]++
	}
	most, least := 0, len(c.users)
	for _, n := range by {
		most, least = max(most, n), min(least, n)
	}
	c.r.t.Logf("users by server: %v", by)
	if len(by) < 4 {
		least = 0
	}
	return float64(most) / max(float64(least), 0.001)
}

// address returns what casbah says of nat in the scope of a profile.
func (c *crowd) address(profile string) (node.SharedStatus, bool) {
	for _, a := range c.r.node.Status().Shared {
		if a.Address == nat && strings.Contains(strings.Join(a.Profiles, " "), profile) {
			return a, true
		}
	}
	return node.SharedStatus{}, false
}

// S2, S3, S67: five hundred users behind one address are spread over the servers,
// nobody who has a server is moved, and the address is listed with their number.
// Without detection they all come to one server. Least_conn would spread what is
// open at the moment, which depends on how fast the machine is.
func TestOneAddressOfManyUsers(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"eas", "owa"} {
		for _, after := range []int{8, 0} {
			t.Run(fmt.Sprintf("%s/shared_after=%d", profile, after), func(t *testing.T) {
				engines(t, func(t *testing.T, m mode) {
					users := 500
					if after == 0 {
						users = 60
					}
					c := newCrowd(t, m, fmt.Sprintf("[profile.owa]\nshared_after = %d\n[profile.ecp]\nshared_after = %[1]d\n[profile.eas]\nshared_after = %[1]d\n", after))
					visit := map[string]func(*member, string) answer{"eas": c.phone, "owa": c.browser}[profile]
					c.join(users)
					c.each(visit)
					c.each(visit)
					uneven := c.uneven()
					a, listed := c.address(profile)
					switch {
					case after == 0 && (uneven < 1000 || listed):
						t.Errorf("without detection the users are on several servers, or the address is listed: %+v", a)
					case after > 0 && uneven > 1.3:
						t.Errorf("the busiest server has %.2f times as many users as the idlest; want at most 1.3", uneven)
					case after > 0 && (!listed || !a.Balanceable || a.By != "counted" || a.Clients < users*9/10 || a.Clients > users*11/10):
						t.Errorf("the address is listed as %+v; want %d clients within 10 %%, balanceable", a, users)
					}
				})
			})
		}
	}
}

// A gateway that appears in the middle of the day: who has a server stays there.
func TestGatewayAppears(t *testing.T) {
	for _, profile := range []string{"eas", "owa"} {
		t.Run(profile, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				c := newCrowd(t, m, "")
				visit := map[string]func(*member, string) answer{"eas": c.phone, "owa": c.browser}[profile]
				c.source = func(n int) string { return fmt.Sprintf("198.51.100.%d", n) }
				c.join(60)
				c.each(visit)
				c.each(visit)
				if _, listed := c.address(profile); listed || c.uneven() > 1.3 {
					t.Error("sixty addresses are not spread, or one of them is shared")
				}
				c.source = func(int) string { return nat }
				c.join(60)
				c.each(visit)
				c.each(visit)
				if a, listed := c.address(profile); !listed || a.Clients < 108 || a.Clients > 132 {
					t.Errorf("the gateway is listed as %+v; want 120 clients within 10 %%", a)
				}
				if uneven := c.uneven(); uneven > 1.5 { // the first of the new ones followed the address
					t.Errorf("the busiest server has %.2f times as many users as the idlest; want at most 1.5", uneven)
				}
				c.r.reload(c.r.read()) // what is known of addresses outlives it
				if _, listed := c.address(profile); !listed {
					t.Error("after a reload the address is not shared")
				}
				c.each(visit)
			})
		})
	}
}

// S3: clients behind a gateway that show nothing, as Outlook's RPC does, cannot be
// told apart: they go to one server, and the address is listed as that.
func TestAddressThatCannotBeBalanced(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		a, b := newOrigin(t, "a", "127.0.0.1:0"), newOrigin(t, "b", "127.0.0.1:0")
		r := newRelay(t, relaySetup{
			mode: m, servers: []string{a.addr, b.addr},
			extra: "[profile.rpc_client_access]\nshared_networks = [\"127.0.0.64/26\"]\n" + unprobedRPC,
		})
		first := ""
		for range 6 {
			w := r.wire(t, "127.0.0.77")
			name := w.hear(2)
			if first == "" {
				first = name
			}
			if name != first {
				t.Errorf("relayed to %q; want %q, the server of the address", name, first)
			}
		}
		r.wire(t, "127.0.0.2").hear(2)
		all := r.node.Status().Shared
		if len(all) != 1 || all[0].Address != "127.0.0.77" || all[0].Balanceable || all[0].By != "shared_networks" {
			t.Errorf("shared addresses: %+v; want 127.0.0.77, not balanceable", all)
		}
	})
}
