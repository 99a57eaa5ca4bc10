package profiles

import (
	"strings"
	"testing"
)

// S113: a VIP stands at addresses that the file says. One that is looked up, leased
// or taken from an interface could move while clients know it.
func TestVIPListensOnStaticAddresses(t *testing.T) {
	at := func(listen string) string { return strings.Replace(site, "192.0.2.10:80", listen, 1) }
	for _, listen := range []string{
		"dhcp", "dhcp:80", "auto:80", "any:80", "eth0:80", "dhcp(eth0):80", "mail.example.org:80", "localhost:80",
		":80", "*:80", "192.0.2.0/24:80", "192.0.2.10-192.0.2.20:80", "192.0.2.10:http", "192.0.2.10",
	} {
		_, _, err := Parse("casbah.toml", []byte(at(listen)))
		want := `casbah.toml:11:11: vip "mail": listen: want an address and port such as "192.0.2.10:443", got "` + listen + `"`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listen %q: %v; want %s", listen, err, want)
		}
	}
	for _, listen := range []string{"192.0.2.10:80", "[2001:db8::10]:80", "0.0.0.0:80", "[::]:80", "127.0.0.1:0"} {
		parsed(t, at(listen))
	}
}
