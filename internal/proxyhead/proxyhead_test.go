package proxyhead

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// v2 is the fixed part of a header of version 2 for TCP over IPv4 with n octets
// behind it.
func v2(n int) string {
	return signature + "\x21\x11" + string([]byte{byte(n >> 8), byte(n)})
}

// addresses4 is 192.0.2.7:4711 to 192.0.2.10:80.
const addresses4 = "\xc0\x00\x02\x07\xc0\x00\x02\x0a\x12\x67\x00\x50"

var told = Header{netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("192.0.2.10:80")}

// tlv returns a TLV of n octets in all.
func tlv(n int) string {
	return "\xe0" + string([]byte{byte((n - 3) >> 8), byte(n - 3)}) + strings.Repeat("x", n-3)
}

func TestParse(t *testing.T) {
	const line = "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"
	longest := "PROXY UNKNOWN " + strings.Repeat("f", mostLine-len("PROXY UNKNOWN \r\n")) + "\r\n"
	most := Most - fixed
	tests := []struct {
		name, header string
		want         Header
		bad          bool
	}{
		{"v1", line, told, false},
		{"v1-ipv6", "PROXY TCP6 2001:db8::7 2001:db8::10 4711 80\r\n", Header{netip.MustParseAddrPort("[2001:db8::7]:4711"), netip.MustParseAddrPort("[2001:db8::10]:80")}, false},
		{"v1-unknown", "PROXY UNKNOWN\r\n", Header{}, false},
		{"v1-107", longest, Header{}, false},
		{"v1-108", "PROXY UNKNOWN f" + longest[len("PROXY UNKNOWN "):], Header{}, true},
		{"v1-broken", "PROXY TCP4 elsewhere\r\n", Header{}, true},
		{"v2", v2(12) + addresses4, told, false},
		{"v2-mapped", signature + "\x21\x21\x00\x24" + mapped("\xc0\x00\x02\x07") + mapped("\xc0\x00\x02\x0a") + "\x12\x67\x00\x50", told, false},
		{"v2-local", signature + "\x20\x00\x00\x00", Header{}, false},
		{"v2-local-with-addresses", signature + "\x20\x11\x00\x0c" + addresses4, Header{}, false},
		{"v2-most", v2(most) + addresses4 + tlv(most-12), told, false},
		{"v2-over", v2(most+1) + addresses4 + tlv(most-11), Header{}, true},
		{"v2-short", v2(4) + "\xc0\x00\x02\x07", Header{}, true},
		{"none", "GET / HTTP/1.1\r\n", Header{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := tt.header + "hello"
			for n := range len(tt.header) { // in any pieces
				h, size, err := Parse([]byte(all[:n]))
				if size != 0 || err != nil && !tt.bad {
					t.Fatalf("Parse(%d of %d octets) = %v, %d, %v; want to be asked for more", n, len(tt.header), h, size, err)
				}
				if err != nil {
					return
				}
			}
			h, size, err := Parse([]byte(all))
			if (err != nil) != tt.bad || h != tt.want || !tt.bad && size != len(tt.header) {
				t.Errorf("Parse() = %v, %d, %v; want %v, %d, an error: %v", h, size, err, tt.want, len(tt.header), tt.bad)
			}
		})
	}
}

// mapped is an IPv4 address in the form of IPv6.
func mapped(v4 string) string { return strings.Repeat("\x00", 10) + "\xff\xff" + v4 }

// TestHopelessAtOnce refuses what cannot become a header by its first octets: a
// client that was listed by mistake need not wait for the deadline.
func TestHopelessAtOnce(t *testing.T) {
	for _, p := range []string{"G", "\x16", "PROXX", "PROXY\r", "\r\nG", v2(Most)} {
		if _, size, err := Parse([]byte(p)); err == nil {
			t.Errorf("Parse(%q) = %d, nil; want an error", p, size)
		}
	}
}

// FuzzParse reads whatever comes: what is accepted is a prefix within the
// bounds, the same in any pieces, and what follows it makes no difference.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(signature + "\x20\x00\x00\x00hello"))
	f.Add([]byte(v2(12) + addresses4))
	f.Add([]byte(v2(0xffff)))
	f.Add([]byte("PROXY " + strings.Repeat("x", mostLine)))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, size, err := Parse(in)
		if size == 0 {
			if err == nil && len(in) >= Most {
				t.Fatalf("%d octets are not enough", len(in))
			}
			return
		}
		if err != nil || size > len(in) || size > Most {
			t.Fatalf("Parse() = %v, %d, %v of %d octets", h, size, err, len(in))
		}
		if !bytes.HasPrefix(in, []byte("PROXY ")) && !bytes.HasPrefix(in, []byte(signature)) {
			t.Fatalf("%q was taken for a header", in[:size])
		}
		for n := range size {
			if _, early, err := Parse(in[:n]); early != 0 || err != nil {
				t.Fatalf("Parse of %d octets of %d = %d, %v", n, size, early, err)
			}
		}
		if again, n, err := Parse(in[:size]); again != h || n != size || err != nil {
			t.Fatalf("Parse() = %v, %d, %v without what follows; want %v, %d", again, n, err, h, size)
		}
	})
}

// What Append writes, Parse reads as it was meant.
func TestAppend(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, tt := range []struct {
		name          string
		remote, local netip.AddrPort
		want          Header
		v1            string
	}{
		{"ipv4", told.Remote, told.Local, told, "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"},
		{
			"ipv6", at("[2001:db8::7]:4711"), at("[2001:db8::10]:80"),
			Header{at("[2001:db8::7]:4711"), at("[2001:db8::10]:80")},
			"PROXY TCP6 2001:db8::7 2001:db8::10 4711 80\r\n",
		},
		{"mapped", at("[::ffff:192.0.2.7]:4711"), told.Local, told, "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"},
		{"zone", at("[fe80::7%lo]:1"), at("[fe80::8%lo]:2"), Header{at("[fe80::7]:1"), at("[fe80::8]:2")}, "PROXY TCP6 fe80::7 fe80::8 1 2\r\n"},
		{"both", at("[2001:db8::7]:4711"), told.Local, Header{at("[2001:db8::7]:4711"), told.Local}, "PROXY TCP6 2001:db8::7 ::ffff:192.0.2.10 4711 80\r\n"},
		{"unknown", netip.AddrPort{}, told.Local, Header{}, "PROXY UNKNOWN\r\n"},
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%s/v%d", tt.name, version), func(t *testing.T) {
				got := Append([]byte("x"), version, tt.remote, tt.local)
				if got[0] != 'x' || version == 1 && string(got[1:]) != tt.v1 {
					t.Errorf("Append() = %q; want x and %q", got, tt.v1)
				}
				h, size, err := Parse(got[1:])
				if err != nil || size != len(got)-1 || h != tt.want {
					t.Errorf("Parse() = %v, %d, %v; want %v, %d", h, size, err, tt.want, len(got)-1)
				}
			})
		}
	}
}
