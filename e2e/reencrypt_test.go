package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casbah/lab"
)

// reencrypted are the keys of a pool whose servers speak TLS and are verified.
func reencrypted(tb testing.TB, dir string, array *lab.Array) string {
	tb.Helper()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, array.CertificatePEM(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return verified(ca)
}

// With upstream_tls = "on" casbah encrypts to the servers: forms logins, NTLM
// and streams work, the servers see HTTPS, and no Front-End-Https is needed.
func TestReencryption(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{TLS: true}})
		c := r.client("127.0.0.2")
		if a := c.logon("alice", "Secret1"); a.status != http.StatusOK || a.user != "alice" {
			t.Fatalf("logon: %+v", a)
		}
		one(t, c.pages(5))
		if a := c.do("GET", "/OAB/"+lab.OABID+"/oab.xml", ""); a.status != http.StatusUnauthorized || a.server == "" {
			t.Errorf("OAB: status %d by %q; want 401 by a server", a.status, a.server)
		}
		// A body that is longer than any buffer, both ways through two TLS connections.
		body := strings.Repeat("x", 300<<10)
		if a := c.do("POST", "/owa/auth/owaauth.dll", "username=bob&password=Secret2&pad="+body,
			"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html"); a.user != "bob" {
			t.Errorf("logon with a long body: status %d, user %q; want bob", a.status, a.user)
		}
	})
}

// soon is a probe of owa that does not keep a test waiting.
const soon = `
[profile.owa.probe]
kind     = "http"
path     = "/owa/"
expect   = [200, 302]
interval = "1s"
timeout  = "500ms"
fall     = 1
`

// A server whose certificate does not hold is not sent a single request: its
// services are down, and the status says why.
func TestReencryptionVerifies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, text, want string }{
		{"wrong-name", `server_name = "localhost"`, `server_name = "mail.example.org"`, "mail.example.org"},
		{"unknown-authority", "ca.pem", "lab.pem", "certificate"}, // of the VIP, which issued nothing
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{lab: lab.Options{TLS: true}, profiles: `"owa"`, extra: soon})
			r.reload(strings.Replace(r.read(), tt.old, tt.text, 1))
			r.until("every service is down", func() bool { return !r.anyService(func(st string) bool { return st != "down" }) })
			if a := r.client("127.0.0.2").get("/owa/"); a.status != http.StatusServiceUnavailable || a.server != "" {
				t.Errorf("status %d by %q; want 503 by casbah", a.status, a.server)
			}
			if got := r.node.Status().Pools[0].Servers[0].Services[0].ProbeError; !strings.Contains(got, tt.want) {
				t.Errorf("probe error %q; want one that names %q", got, tt.want)
			}
		})
	}
}
