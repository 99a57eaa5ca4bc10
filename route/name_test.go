package route

import "testing"

// routedVIP serves its hosts itself, and what its routes name by other profiles.
func routedVIP(hosts ...string) *VIP {
	own, app, sub := &Profile{Name: "own"}, &Profile{Name: "app"}, &Profile{Name: "sub"}
	return &VIP{
		Hosts: hosts, Profiles: []*Profile{own, app, sub},
		Routes: map[string]*Profile{
			"app.example.org": app, "one.sub.example.org": app, "192.0.2.1": app,
			"*.sub.example.org": sub, "*.example.org": sub,
		},
	}
}

// A name in full comes before a wildcard, which stands for one label; the VIP
// itself serves the rest, as far as its hosts let it.
func TestByName(t *testing.T) {
	tests := []struct{ name, any, hosts string }{ // for empty hosts, and for two
		{"app.example.org", "app", "app"},
		{"one.sub.example.org", "app", "app"},
		{"two.sub.example.org", "sub", "sub"},
		{"mail.example.org", "sub", "own"}, // under a wildcard, and in hosts in full
		{"other.example.org", "sub", "sub"},
		{"sub.example.org", "sub", "sub"},
		{"a.two.sub.example.org", "own", ""},
		{"192.0.2.1", "app", "app"},
		{"mail.other.test", "own", "own"},
		{"example.org", "own", ""},
		{".example.org", "own", ""},
		{".sub.example.org", "own", ""},
		{"*.sub.example.org.", "own", ""},
		{"org", "own", ""},
		{"", "own", ""},
		{".", "own", ""},
	}
	for _, tt := range tests {
		for _, side := range []struct {
			v    *VIP
			want string
		}{{routedVIP(), tt.any}, {routedVIP("mail.example.org", "mail.other.test"), tt.hosts}} {
			got := ""
			if p := side.v.ByName([]byte(tt.name)); p != nil {
				got = p.Name
			}
			if got != side.want {
				t.Errorf("ByName(%q) with hosts %v = %q; want %q", tt.name, side.v.Hosts, got, side.want)
			}
		}
	}
	long := make([]byte, 400)
	for i := range long {
		long[i] = 'a'
	}
	long[1] = '.'
	if p := routedVIP().ByName(long); p == nil || p.Name != "own" {
		t.Error("a name that no host can have is not served like any other")
	}
	plain := &VIP{Profiles: []*Profile{{Name: "own"}}}
	if plain.ByName([]byte("mail.example.org")) != plain.Profiles[0] || plain.Named([]byte("mail.example.org")) != nil {
		t.Error("a VIP without hosts and routes does not serve every name, or names one")
	}
}

func TestByNameDoesNotAllocate(t *testing.T) {
	v := routedVIP("mail.example.org")
	for _, name := range [][]byte{[]byte("app.example.org"), []byte("two.sub.example.org"), []byte("mail.example.org"), []byte("x.y.z")} {
		if n := testing.AllocsPerRun(100, func() { v.ByName(name) }); n != 0 {
			t.Errorf("ByName(%s) allocates %v times", name, n)
		}
	}
}
