package persistence

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"casbah/balance"
)

var netscalerOnly = insertAs(Insert{Name: "NSC_nbjm", Netscaler: true})

// atAddresses gives the servers addresses; of one that is empty none is known.
func atAddresses(addrs ...string) func(*Config) {
	return func(c *Config) {
		c.Members = nil
		for i, m := range members {
			m.Endpoint = &balance.Endpoint{Server: m.ID, Name: m.Name}
			if addrs[i] != "" {
				m.Endpoint.SetAddr(netip.MustParseAddrPort(addrs[i]))
			}
			c.Members = append(c.Members, m)
		}
	}
}

var netscalerPool = atAddresses("192.168.100.16:80", "[2001:db8::1]:8080", "")

// S48 S102: the value is the address in hexadecimal, then the port.
func TestNetscalerCookieHoldsAddressAndPort(t *testing.T) {
	s := newSite(t, netscalerOnly, netscalerPool)
	for id, want := range map[balance.ServerID]string{
		cas1: "Set-Cookie: NSC_nbjm=c0a864100050; Path=/\r\n",
		cas2: "Set-Cookie: NSC_nbjm=20010db80000000000000000000000011f90; Path=/\r\n",
		cas3: "", // its address is not known
	} {
		s.choose = id
		if got := s.send(client{}, answer{}).added; got != want {
			t.Errorf("server %d: added %q; want %q", id, got, want)
		}
	}
}

// S99: a cookie leads to exactly its address and port, and to a server of the
// pool alone. The masked form is that of the appliances.
func TestNetscalerCookieSelects(t *testing.T) {
	tests := []struct {
		name, value string
		server      balance.ServerID // 0: none
		clash       bool
	}{
		{"address-and-port", "c0a864100050", cas1, false},
		{"upper-case", "C0A864100050", cas1, false},
		{"ipv6", "20010db80000000000000000000000011f90", cas2, false},
		{"mapped", "00000000000000000000ffffc0a864100050", cas1, false},
		{"masked", "ffffffffc3a07a0145525d5f4f58455e445a4a423660", cas1, false},
		{"other-port", "c0a864100051", 0, false},
		{"other-address", "c0a864110050", 0, false},
		{"masked-other", "ffffffffc3a07a0145525d5f4f58455e445a4a423661", 0, false},
		{"masked-no-mark", "fffffffec3a07a0145525d5f4f58455e445a4a423660", 0, true},
		{"short", "c0a86410005", 0, true},
		{"long", "c0a8641000500", 0, true},
		{"no-hex", "c0a86410005g", 0, true},
		{"empty", "", 0, true},
		{"name", "cas1", 0, true},
		{"huge", strings.Repeat("c0a864100050", 500), 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, netscalerOnly, netscalerPool)
			s.choose = cas3
			v := s.send(client{cookie: "NSC_nbjm=" + tt.value}, answer{})
			if tt.server == 0 {
				s.expect("cookie", v, cas3, NoKey)
			} else {
				s.expect("cookie", v, tt.server, Bound)
			}
			if name, _ := s.chain.Clash(&v.walk); (name != "") != tt.clash || tt.server != 0 && v.added != "" {
				t.Errorf("clash %q, added %q; want one: %v, and no new cookie for a good one", name, v.added, tt.clash)
			}
		})
	}
}

// Such a value does not tell its age: with a timeout the client is told with each
// answer, and forgets the cookie itself. S103.
func TestNetscalerCookieWithTimeout(t *testing.T) {
	for version, attribute := range map[int]string{0: "; Expires=Fri, 02 Jan 2026 03:34:05 GMT", 1: "; Max-Age=1800"} {
		s := newSite(t, insertAs(Insert{Name: "NSC_nbjm", Netscaler: true, Timeout: 30 * time.Minute, Version: version}), netscalerPool)
		for range 2 {
			v := s.send(client{cookie: "NSC_nbjm=c0a864100050"}, answer{})
			s.expect("with the cookie", v, cas1, Bound)
			if !regexp.MustCompile(`^Set-Cookie: NSC_nbjm=c0a864100050` + attribute + `; Path=/\r\n$`).MatchString(v.added) {
				t.Errorf("version %d: added %q; want %s", version, v.added, attribute)
			}
		}
	}
}

// An address that changes takes the cookies of before out of use.
func TestNetscalerCookieOfAFormerAddress(t *testing.T) {
	s := newSite(t, netscalerOnly, netscalerPool)
	cookie := s.send(client{}, answer{}).issued()
	s.chain.members[0].Endpoint.SetAddr(netip.MustParseAddrPort("192.168.100.17:80"))
	s.choose = cas2
	s.expect("former address", s.send(client{cookie: cookie}, answer{}), cas2, NoKey)
}
