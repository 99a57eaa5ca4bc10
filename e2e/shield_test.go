package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attacks are requests that no client of Exchange sends, and one of each kind that
// a client does.
var attacks = []struct {
	source, path, header, value string
	rule                        string // that it meets; empty: none
	refused                     int    // status where the shield refuses
}{
	{"127.0.0.2", "/autodiscover/autodiscover.json?@evil.example/PowerShell/?x=1", "", "", "autodiscover_shell", 400},
	{"127.0.0.2", "/autodiscover/autodiscover.json?@evil.example/mapi/nspi/?&Email=autodiscover/autodiscover.json%3F@evil.example", "", "", "autodiscover_ssrf", 400},
	{"127.0.0.2", "/ecp/x.js", "Cookie", "X-BEResource=[name]@cas1:443/ews/#~1941962753", "backend_cookie", 400},
	{"127.0.0.2", "/owa/?X-Rps-CAT=VgEAVAd", "", "", "access_token", 400},
	{"127.0.0.2", "/PowerShell/?a=b", "", "", "admin_network", 404},
	{"127.0.0.2", "/owa/%252e%252e/ecp", "", "", "double_encoding", 400},
	{"127.0.0.2", "/owa/auth/x?f=..%5cweb.config", "", "", "traversal", 400},
	{"127.0.0.2", "/owa/", "Cookie", "cadata=" + strings.Repeat("x", 5000), "cookie_size", 400},
	{"127.0.0.9", "/PowerShell/?a=b", "", "", "", 0},
	{"127.0.0.2", "/autodiscover/autodiscover.json/v1.0/alice@example.org?Protocol=ActiveSync", "", "", "", 0},
	{"127.0.0.2", "/owa/?ae=Folder&t=IPF.Note", "Cookie", "UserContext=abc; X-BackEndCookie=a~b", "", 0},
}

// By default what looks like an attack is served, counted by its rule, and named in
// the access record; with enforce it reaches no server.
func TestShield(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		for _, enforce := range []bool{false, true} {
			keys := "admin_networks = [\"127.0.0.9\"]\n"
			if enforce {
				keys += "shield = \"enforce\"\n"
			}
			r := newMirrorRig(t, setup{mode: m, vip: keys}, "owa", "ecp", "autodiscover", "powershell")
			hits := make(map[string]uint64)
			for _, a := range attacks {
				var headers []string
				if a.header != "" {
					headers = []string{a.header, a.value}
				}
				want := 200
				if a.rule != "" {
					hits[a.rule]++
					if enforce {
						want = a.refused
					}
				}
				if got := r.from(a.source, a.path, headers...); got.status != want || (got.server == "") != (want != 200) {
					t.Errorf("enforce %v: %s from %s: status %d by %q; want %d", enforce, a.path, a.source, got.status, got.server, want)
				}
			}
			s := r.vipStatus(m.vip)
			refused := uint64(0)
			for rule, n := range s.Shield.Hits {
				if n != hits[rule] {
					t.Errorf("enforce %v: %d requests met %s; want %d", enforce, n, rule, hits[rule])
				}
				if enforce {
					refused += n
				}
			}
			if s.Refused["shield"] != refused || s.Shield.Refuses != enforce {
				t.Errorf("enforce %v: %d refused; want %d", enforce, s.Refused["shield"], refused)
			}
			r.stop()
			log, err := os.ReadFile(filepath.Join(filepath.Dir(r.conf), "access.log"))
			if err != nil {
				t.Fatal(err)
			}
			for rule, n := range hits {
				if got := strings.Count(string(log), `"shield":"`+rule+`"`); uint64(got) != n {
					t.Errorf("enforce %v: %d records of %s; want %d", enforce, got, rule, n)
				}
			}
		}
	})
}
