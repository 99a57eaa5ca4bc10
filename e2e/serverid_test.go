package e2e

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// chained returns a rig whose servers take turns at OWA, unless the one step of
// its chain says otherwise; each server has an ID of its own.
func chained(t *testing.T, m mode, step string) *rig {
	t.Helper()
	r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
	text := r.read()
	for i := range r.array.Servers() {
		name := fmt.Sprintf("[[server]]\nname = \"cas%d\"\n", i+1)
		text = strings.Replace(text, name, name+fmt.Sprintf("id = \"node-%d\"\n", i+1), 1)
	}
	r.reload(text + "[profile.owa]\nchain = [" + step + "]\n")
	return r
}

// servedBy returns who answers requests for path, each on a connection of its
// own and from another address.
func (r *rig) servedBy(n int, path string, headers ...string) map[string]int {
	r.t.Helper()
	seen := make(map[string]int)
	for i := range n {
		c := r.client(fmt.Sprintf("127.0.0.%d", i+10))
		c.Jar, c.CheckRedirect = nil, noRedirect
		a := c.do(http.MethodGet, path, "", headers...)
		if a.server == "" {
			r.t.Fatalf("GET %s: status %d of no server", path, a.status)
		}
		seen[a.server]++
	}
	return seen
}

// leads fails unless all requests come to want; empty is all three in turn.
func (r *rig) leads(want, path string, headers ...string) {
	r.t.Helper()
	seen := r.servedBy(6, path, headers...)
	if want == "" && len(seen) != 3 || want != "" && seen[want] != 6 {
		r.t.Errorf("GET %s %q is served by %v; want %q, or all if that is empty", path, headers, seen, want)
	}
}

// S59 S61 S62: an address and port in the query select the server that has them;
// any other request is balanced.
func TestURLServerID(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := chained(t, m, `{ by = "url_server_id", name = "sid=" }`)
		for i, s := range r.array.Servers() {
			addr := netip.MustParseAddrPort(s.Addr())
			digits := fmt.Sprintf("%x%04x", addr.Addr().AsSlice(), addr.Port())
			name := fmt.Sprintf("cas%d", i+1)
			r.leads(name, "/owa/?sid="+digits)
			r.leads(name, "/owa/?a=b;sid="+strings.ToUpper(digits)+"&c=d")
			r.leads("", "/owa/?oldsid="+digits)
			r.leads("", "/owa/?sid="+digits[:8]+"0001")
		}
		r.leads("", "/owa/")
		if n := r.node.Status().Table.Bindings; n != 0 { // S64
			t.Errorf("%d bindings; want none", n)
		}
	})
}

// S40: a server's own ID selects it, from wherever the step reads it.
func TestCustomServerID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, path string
		headers  []string
	}{
		{"query", "/owa/?a=b&node=node-2", nil},
		{"header", "/owa/", []string{"Node", "node-2"}},
		{"cookie", "/owa/", []string{"Cookie", "a=b; node=node-2"}},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := chained(t, m, `{ by = "server_id", name = "node", in = "`+tt.in+`" }`)
				r.leads("cas2", tt.path, tt.headers...)
				other := strings.ReplaceAll(strings.Join(tt.headers, "\n"), "node-2", "node-9")
				r.leads("", strings.ReplaceAll(tt.path, "node-2", "node-9"), strings.FieldsFunc(other, func(c rune) bool { return c == '\n' })...)
			})
		})
	}
}

// S41: the value of an expression keeps a client on its server.
func TestRule(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := chained(t, m, `{ by = "rule", expression = 'hasPrefix(path, "/owa/") ? lower(header("X-Session")) + param("box") : ""' }`)
		seen := make(map[string]bool)
		for _, session := range []string{"a", "b", "c"} {
			for server := range r.servedBy(1, "/owa/?box=1", "X-Session", session) {
				seen[server] = true
				r.leads(server, "/owa/?box=1&page=2", "X-Session", strings.ToUpper(session))
			}
		}
		if len(seen) < 2 {
			t.Errorf("three sessions are all on %v", seen)
		}
		r.leads("", "/owa/")
	})
}
