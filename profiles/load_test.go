package profiles

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// site is a file that serves OWA on plain HTTP; more is added to it.
const site = `
[[server]]
name = "cas1"
address = "192.0.2.11"
[[pool]]
name = "cas"
servers = ["cas1"]
[[vip]]
name = "mail"
type = "http"
listen = ["192.0.2.10:80"]
pool = "cas"
profiles = ["owa"]
`

// parsed parses a file that has no mistake.
func parsed(t *testing.T, text string) (*Config, Notes) {
	t.Helper()
	dir := t.TempDir()
	writeFixtures(t, dir)
	c, notes, err := Parse(filepath.Join(dir, "casbah.toml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c, notes
}

func TestLoadDesignExample(t *testing.T) {
	dir := t.TempDir()
	writeFixtures(t, dir)
	data, err := os.ReadFile("testdata/design.toml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "casbah.toml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path = path
	want.Servers = []Server{
		{Name: "cas1", Address: "192.0.2.11", Weight: 100, Queue: 100, QueueTimeout: 5 * time.Second},
		{Name: "cas2", Address: "192.0.2.12", Weight: 100, Queue: 100, QueueTimeout: 5 * time.Second},
	}
	want.Pools = []Pool{{
		Name: "cas", Servers: []string{"cas1", "cas2"}, Algorithm: "least_conn", SlowStart: time.Minute,
		ConnectTimeout: 5 * time.Second, UpstreamTLS: "off", ProxyProtocol: "off", Placement: "off", TLS: PoolTLS{Verify: true, Policy: "intermediate", MinVersion: "1.2", MaxVersion: "1.3"},
	}}
	want.VIPs = []VIP{{
		Name: "mail", Type: "https", Listen: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:443")}, Pool: "cas",
		Profiles:     []string{"owa", "ecp", "eas", "ews", "outlook_anywhere", "oab", "autodiscover", "powershell", "mapi"},
		RootRedirect: "/owa/", TableFull: "evict_oldest", Mapper: "pass", Shield: "report",
		TLS:          VIPTLS{Policy: "intermediate", MinVersion: "1.2", MaxVersion: "1.3", ClientAuth: "off", OCSPStapling: true},
		Certificates: []Certificate{{Cert: filepath.Join(dir, "mail.pem"), Key: filepath.Join(dir, "mail.key"), KeyType: "ecdsa"}},
	}}
	eas := want.Profiles["eas"]
	eas.IdleTimeout, eas.ResponseTimeout = 65*time.Minute, 65*time.Minute
	if diff := cmp.Diff(want, c, cmpopts.EquateComparable(netip.AddrPort{}, netip.Prefix{})); diff != "" {
		t.Errorf("Load() (-want +got):\n%s", diff)
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, _, err := Load(filepath.Join(t.TempDir(), "casbah.toml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load() = %v; want that the file does not exist", err)
	}
}

// A chain, paths or a probe replaces the shipped one whole; other keys change alone.
func TestMerge(t *testing.T) {
	c, _ := parsed(t, site+`
[profile.owa]
paths = ["/"]
reuse = "anonymous"
[[profile.owa.chain]]
by = "cookie"
name = "UserContext"
origin = "client"
[profile.rpc_client_access.probe]
kind = "tcp"
[profile.ews.probe]
kind = "http"
path = "/EWS/"
[profile.webmail]
protocol = "http"
paths = ["/WebMail/"]
`)
	owa := c.Profiles["owa"]
	if diff := cmp.Diff([]string{"/"}, owa.Paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if got := chainText(owa); got != "cookie UserContext (client)" {
		t.Errorf("chain %s", got)
	}
	if owa.Reuse != "anonymous" || owa.IdleTimeout != 10*time.Minute || !owa.WebSocket || owa.Probe.Path != "/owa/" {
		t.Errorf("owa %+v; want the other keys as shipped", owa)
	}
	fresh := Probe{
		Kind: "tcp", Method: "GET", Expect: []int{200}, Interval: 5 * time.Second,
		Timeout: 2 * time.Second, Rise: 2, Fall: 3,
	}
	if diff := cmp.Diff(fresh, c.Profiles["rpc_client_access"].Probe); diff != "" {
		t.Errorf("probe of rpc_client_access (-want +got):\n%s", diff)
	}
	if got := c.Profiles["ews"].Probe.Expect; !cmp.Equal(got, []int{200}) {
		t.Errorf("probe of ews expects %v; want the default, not what ships", got)
	}
	if got := c.Profiles["webmail"]; got.Name != "webmail" || !cmp.Equal(got.Paths, []string{"/webmail"}) || !got.Fallback {
		t.Errorf("webmail %+v", got)
	}
	// What a file changes is its own affair.
	if got := Default().Profiles["owa"].Paths; len(got) != 4 {
		t.Errorf("Default() now has paths %v", got)
	}
}

func TestInsertedCookieDefaults(t *testing.T) {
	c, _ := parsed(t, site+`
[[profile.owa.chain]]
by = "insert_cookie"
`)
	s := c.Profiles["owa"].Chain[0]
	if s.CookieVersion != 0 { // S51, S105
		t.Errorf("version %d; want 0", s.CookieVersion)
	}
	if s.Domain != "" { // S84
		t.Errorf("domain %q; want none", s.Domain)
	}
	if s.Path != "/" { // S86
		t.Errorf("path %q; want /", s.Path)
	}
	if s.CookieTimeout != 0 { // S88
		t.Errorf("timeout %v; want none", s.CookieTimeout)
	}
	if !s.HTTPOnly || s.Secure { // S106
		t.Errorf("http_only %v, secure %v; want true, false", s.HTTPOnly, s.Secure)
	}
	if !c.Profiles["owa"].Fallback { // S91
		t.Error("fallback is off; want on")
	}
}

// cookie returns what is said of an inserted cookie with some keys.
func cookie(t *testing.T, keys string) string {
	t.Helper()
	return said(t, filepath.Join(t.TempDir(), "casbah.toml"), []byte(site+"[profile.owa]\nchain = [{ by = \"insert_cookie\", "+keys+" }]\n"))
}

func TestInsertedCookieLimits(t *testing.T) {
	tests := []struct {
		name, keys string
		want       string // part of what is said; empty: nothing
	}{
		{"version-0", `version = 0`, ""},
		{"version-1", `version = 1`, ""},
		{"version-2", `version = 2`, "version: want 0 (Expires) or 1 (Max-Age), got 2"}, // S52
		{"version-minus", `version = -1`, "version: want"},
		{"timeout-0", `timeout = "0s"`, ""},
		{"timeout-below", `timeout = "999ms"`, "timeout: want 0s, or a duration from 1s"}, // S87
		{"timeout-1s", `timeout = "1s"`, ""},
		{"timeout-uneven", `timeout = "1001ms"`, "whole seconds"},
		{"secure-on-http", `secure = true`, `secure: want false, because clients of the plain http VIP "mail"`}, // S89
		{"not-secure", `secure = false`, ""},
		{"http-only-off", `http_only = false`, ""}, // S90
		{"same-site", `same_site = "Lax"`, ""},
		{"domain", `domain = "example.org"`, ""},
		{"domain-cookie", `domain = "example.org; Secure"`, "domain: want"},
		{"path-cookie", `path = "/; Secure"`, "path: want"},
		{"name", `name = "SERVER"`, ""},
		{"name-dot", `name = "SER.VER"`, "name: want"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := cookie(t, tt.keys)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("said %q; want %q", got, tt.want)
			}
		})
	}
}

// S52 S107: one key for all cookies that casbah inserts, those of shipped chains
// too; what a step says of itself goes before.
func TestInsertedCookiesOfTheWholeSite(t *testing.T) {
	c, _ := parsed(t, "cookie_version = 1\ncookie_http_only = false\n"+site+`
[profile.ecp]
chain = [{ by = "insert_cookie", version = 0, http_only = true }]
[profile.new]
protocol = "http"
paths = ["/new"]
chain = [{ by = "insert_cookie", version = 0 }]
`)
	for name, want := range map[string]Step{
		"owa": {CookieVersion: 1, HTTPOnly: false}, "ecp": {CookieVersion: 0, HTTPOnly: true}, "new": {CookieVersion: 0, HTTPOnly: false},
	} {
		chain := c.Profiles[name].Chain
		if got := chain[len(chain)-1]; got.By != byInsertCookie || got.CookieVersion != want.CookieVersion || got.HTTPOnly != want.HTTPOnly {
			t.Errorf("%s ends with %+v; want version %d, http_only %v", name, got, want.CookieVersion, want.HTTPOnly)
		}
	}
}

// S47: the name of a cookie of format netscaler derives from that of its VIP alone,
// as the appliances have it: theirs reads lb_test where it is NSC_mc_uftu.
func TestNetscalerName(t *testing.T) {
	for vip, want := range map[string]string{
		"lb_test": "NSC_mc_uftu", "mail": "NSC_nbjm", "Zürich": "NSC_A\xc3\xbcsjdi", "ZZ.zz-09": "NSC_AA.aa-09", "m": "NSC_n",
	} {
		for _, p := range []*Profile{{Name: "owa", Group: "web"}, {Name: "eas"}} {
			if got := InsertedName(&VIP{Name: vip}, p, &Step{By: byInsertCookie, Format: formatNetscaler}); got != want {
				t.Errorf("InsertedName(%s) = %s; want %s", vip, got, want)
			}
		}
	}
}

// No two cookies of casbah's own have one name by accident.
func TestCompanionNames(t *testing.T) {
	v, owa := &VIP{Name: "a", Pool: "p"}, &Profile{Name: "owa", Group: "web"}
	ecp, eas := &Profile{Name: "ecp", Group: "web"}, &Profile{Name: "eas"}
	if a, b := CompanionName(v, owa, "x"), CompanionName(v, ecp, "x"); a != b {
		t.Errorf("names %s and %s in one group; want one", a, b)
	}
	names := map[string]bool{
		CompanionName(v, owa, "x"): true, CompanionName(v, owa, "y"): true, CompanionName(v, eas, "x"): true, CookieName(Scope(v, owa)): true,
	}
	if len(names) != 4 {
		t.Errorf("names %v; want four", names)
	}
}

func TestSecrets(t *testing.T) {
	c, _ := parsed(t, `cookie_passphrase_file = "cookie.words"
cookie_passphrase_old_files = ["cookie.old"]
[admin]
listen = "[::]:8404"
token_file = "admin.token"
`+site)
	if got := c.CookiePassphrase.Reveal(); got != "correct horse battery staple" {
		t.Errorf("passphrase %q", got)
	}
	if got := c.CookiePassphrasesOld; len(got) != 1 || got[0].Reveal() != "wrong horse battery staple" {
		t.Errorf("%d old passphrases; want that of the file", len(got))
	}
	if got := c.Admin.Token.Reveal(); got != "0123456789abcdef0123456789abcdef" {
		t.Errorf("token %q", got)
	}
}

func TestServerHostPort(t *testing.T) {
	tests := []struct {
		address, host string
		port          int
	}{
		{"192.0.2.11", "192.0.2.11", 0},
		{"192.0.2.11:8080", "192.0.2.11", 8080},
		{"cas1.example.org", "cas1.example.org", 0},
		{"cas1:80", "cas1", 80},
		{"2001:db8::1", "2001:db8::1", 0},
		{"[2001:db8::1]", "2001:db8::1", 0},
		{"[2001:db8::1]:80", "2001:db8::1", 80},
	}
	for _, tt := range tests {
		s := Server{Address: tt.address}
		if host, port := s.HostPort(); host != tt.host || port != tt.port {
			t.Errorf("HostPort(%s) = %s, %d; want %s, %d", tt.address, host, port, tt.host, tt.port)
		}
	}
}

func TestSplitHostRefuses(t *testing.T) {
	for _, s := range []string{"", ":80", "cas1:", "cas1:0", "cas1:65536", "cas1:http", "192.0.2.256", "cas 1", "http://cas1", "[cas1", "-cas1", "cas1..org"} {
		if host, port, ok := splitHost(s); ok {
			t.Errorf("splitHost(%q) = %q, %d; want none", s, host, port)
		}
	}
}

func TestScopes(t *testing.T) {
	owa, ecp, eas := &Profile{Name: "owa", Group: "web"}, &Profile{Name: "ecp", Group: "web"}, &Profile{Name: "eas"}
	a, b := &VIP{Name: "a", Pool: "p"}, &VIP{Name: "b", Pool: "p"}
	other := &VIP{Name: "c", Pool: "q"}
	grouped := []*VIP{{Name: "d", Pool: "p", Group: "g"}, {Name: "e", Pool: "p", Group: "g"}}
	same := [][2]string{
		{Scope(a, owa), Scope(a, ecp)}, {Scope(a, owa), Scope(b, ecp)}, {Scope(grouped[0], eas), Scope(grouped[1], eas)},
	}
	differ := [][2]string{
		{Scope(a, owa), Scope(a, eas)}, {Scope(a, eas), Scope(b, eas)}, {Scope(a, owa), Scope(other, owa)},
	}
	for _, s := range same {
		if s[0] != s[1] {
			t.Errorf("scopes %q and %q; want one", s[0], s[1])
		}
	}
	for _, s := range differ {
		if s[0] == s[1] || CookieName(s[0]) == CookieName(s[1]) { // S47
			t.Errorf("scope %q or its cookie twice; want two", s[0])
		}
	}
}

// A network matches the addresses that are meant, in whichever form it is written:
// those of clients are compared in their own family.
func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/32",
		"192.0.2.7/28":         "192.0.2.0/28",
		"2001:db8::7":          "2001:db8::7/128",
		"2001:db8::7/32":       "2001:db8::/32",
		"::ffff:192.0.2.7":     "192.0.2.7/32",
		"::ffff:192.0.2.7/124": "192.0.2.0/28",
		"::ffff:192.0.2.7/96":  "0.0.0.0/0",
		"::ffff:192.0.2.7/95":  "::fffe:0:0/95",
		"0.0.0.0/0":            "0.0.0.0/0",
		"::/0":                 "::/0",
	} {
		if got, err := parsePrefix(text); err != nil || got.String() != want {
			t.Errorf("parsePrefix(%s) = %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "192.0.2.7/33", "::ffff:192.0.2.7/129", "mail.example.org"} {
		if got, err := parsePrefix(text); err == nil {
			t.Errorf("parsePrefix(%s) = %v; want an error", text, got)
		}
	}
}
