package route

import (
	"testing"
)

// testVIP serves the paths of DESIGN.md's table on two host names.
func testVIP(hosts ...string) *VIP {
	return &VIP{
		Name: "mail", Hosts: hosts, RootRedirect: "/owa/", Counters: new(Counters),
		Profiles: []*Profile{
			{Name: "owa", Paths: []string{"/owa", "/exchange"}},
			{Name: "ecp", Paths: []string{"/ecp"}},
			{Name: "eas", Paths: []string{"/microsoft-server-activesync"}},
			{Name: "outlook_anywhere", Paths: []string{"/rpc", "/rpcwithcert"}},
			{Name: "proxy", Paths: []string{"/microsoft-server-activesync/proxy"}},
		},
	}
}

// S92: the path decides the profile before any cookie is looked at.
func TestMatch(t *testing.T) {
	tests := []struct {
		name, host, path string
		want             string
		verdict          Verdict
	}{
		{"exact", "mail.example.org", "/owa", "owa", Found},
		{"below", "mail.example.org", "/owa/auth/logon.aspx", "owa", Found},
		{"case", "mail.example.org", "/OWA/Auth", "owa", Found},
		{"boundary", "mail.example.org", "/owax", "", NotFound},
		{"boundary-rpc", "mail.example.org", "/rpcwithcert/rpcproxy.dll", "outlook_anywhere", Found},
		{"no-boundary-rpc", "mail.example.org", "/rpcfoo", "", NotFound},
		{"longest-prefix", "mail.example.org", "/Microsoft-Server-ActiveSync/Proxy/x", "proxy", Found},
		{"shorter-prefix", "mail.example.org", "/Microsoft-Server-ActiveSync/default.eas", "eas", Found},
		{"encoded-letter-is-what-the-server-sees", "mail.example.org", "/%65cp/", "ecp", Found},
		{"encoded-upper", "mail.example.org", "/%4FWA", "owa", Found},
		{"root", "mail.example.org", "/", "", Root},
		{"unknown", "mail.example.org", "/other", "", NotFound},
		{"empty-path", "mail.example.org", "", "", NotFound},
		{"asterisk", "mail.example.org", "*", "", NotFound},
		{"host-case", "MAIL.Example.Org", "/owa", "owa", Found},
		{"host-port", "mail.example.org:443", "/owa", "owa", Found},
		{"host-dot", "mail.example.org.", "/owa", "owa", Found},
		{"host-other", "other.example.org", "/owa", "", Misdirected},
		{"host-empty", "", "/owa", "", Misdirected},
		{"host-prefix", "mail.example.org.evil.example", "/owa", "", Misdirected},
	}
	v := testVIP("mail.example.org", "autodiscover.example.org")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, verdict := v.Match([]byte(tt.host), []byte(tt.path))
			name := ""
			if p != nil {
				name = p.Name
			}
			if name != tt.want || verdict != tt.verdict {
				t.Errorf("Match(%q, %q) = %q, %d; want %q, %d", tt.host, tt.path, name, verdict, tt.want, tt.verdict)
			}
		})
	}
}

func TestMatchAnyHost(t *testing.T) {
	if p, verdict := testVIP().Match(nil, []byte("/ecp/")); verdict != Found || p.Name != "ecp" {
		t.Errorf("Match without hosts = %v, %d; want ecp", p, verdict)
	}
}

func TestMatchRootProfileWinsOverRedirect(t *testing.T) {
	v := testVIP()
	v.Profiles = append(v.Profiles, &Profile{Name: "all", Paths: []string{"/"}})
	tests := []struct{ path, want string }{{"/", "all"}, {"/x", "all"}, {"/owa/x", "owa"}}
	for _, tt := range tests {
		if p, verdict := v.Match(nil, []byte(tt.path)); verdict != Found || p.Name != tt.want {
			t.Errorf("Match(%q) = %v, %d; want %s", tt.path, p, verdict, tt.want)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	v := testVIP("mail.example.org")
	host, path := []byte("mail.example.org:443"), []byte("/owa/%41uth/logon.aspx")
	if n := testing.AllocsPerRun(1000, func() { v.Match(host, path) }); n != 0 {
		t.Errorf("Match allocates %v times; want 0", n)
	}
}

func TestAllows(t *testing.T) {
	open, listed := &Profile{}, &Profile{Methods: []string{"RPC_IN_DATA", "GET"}}
	tests := []struct {
		p      *Profile
		method string
		want   bool
	}{
		{open, "GET", true},
		{open, "CONNECT", false},
		{open, "RPC_IN_DATA", false},
		{open, "RPC_OUT_DATA", false},
		{listed, "RPC_IN_DATA", true},
		{listed, "rpc_in_data", false}, // methods are case-sensitive (RFC 9110, Section 9.1)
		{listed, "POST", false},
	}
	for _, tt := range tests {
		if got := tt.p.Allows([]byte(tt.method)); got != tt.want {
			t.Errorf("%v.Allows(%s) = %t; want %t", tt.p.Methods, tt.method, got, tt.want)
		}
	}
}
