package profiles

import (
	"net/netip"
	"testing"
)

func TestPort(t *testing.T) {
	http := &Profile{Protocol: "http"}
	imap := &Profile{Protocol: "tcp", Ports: []int{143, 993}}
	none := &Profile{Protocol: "tcp"}
	off, on, fixed := &Pool{UpstreamTLS: "off"}, &Pool{UpstreamTLS: "on"}, &Pool{UpstreamTLS: "off", Port: 8080}
	tests := []struct {
		name    string
		pool    *Pool
		profile *Profile
		listen  string
		want    int
	}{
		{"http", off, http, "192.0.2.10:443", 80},
		{"http-encrypted", on, http, "192.0.2.10:443", 443},
		{"http-pool", fixed, http, "192.0.2.10:443", 8080},
		{"tcp-first", off, imap, "192.0.2.10:1143", 143},
		{"tcp-called", off, imap, "192.0.2.10:993", 993},
		{"tcp-pool", fixed, imap, "192.0.2.10:993", 8080},
		{"tcp-unknown", off, none, "192.0.2.10:993", 0},
		{"tcp-unknown-pool", fixed, none, "192.0.2.10:993", 8080},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &VIP{Listen: []netip.AddrPort{netip.MustParseAddrPort(tt.listen)}}
			if got := Port(v, tt.pool, tt.profile); got != tt.want {
				t.Errorf("Port() = %d; want %d", got, tt.want)
			}
		})
	}
}
