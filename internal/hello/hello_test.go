package hello

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"

	"casbah/internal/hello/hellotest"
)

// client reads p as it is offered: n octets more at a time.
func client(t *testing.T, p []byte, n int) (c Client, whole bool, alert Alert) {
	t.Helper()
	var a Assembly
	for end := 0; end < len(p) && !whole && alert == NoAlert; {
		end = min(end+n, len(p))
		whole, alert = a.Client(p[:end], &c)
	}
	return c, whole, alert
}

// padded is a ClientHello that takes n octets in one record.
func padded(n int) []byte {
	bare := recordHead + len(hellotest.Client(nil, hellotest.Extension(99)))
	return hellotest.Client(nil, hellotest.Extension(99, make([]byte, n-bare)...))
}

func TestClientHello(t *testing.T) {
	id := bytes.Repeat([]byte{7}, 32)
	versions := hellotest.Extension(extSupportedVersions, hellotest.Field(1, 3, 4, 3, 3)...)
	alpn := hellotest.Extension(extALPN, hellotest.Field(2, append(hellotest.Field(1, []byte("h2")...), hellotest.Field(1, []byte("http/1.1")...)...)...)...)
	tests := []struct {
		name    string
		message []byte
		host    string
		id      []byte
		modern  bool
		alert   Alert
	}{
		{"bare", hellotest.Client(nil), "", nil, false, NoAlert},
		{"no-extension", hellotest.Client(nil, []byte{}), "", nil, false, NoAlert},
		{"session", hellotest.Client(id), "", id, false, NoAlert},
		{"short-session", hellotest.Client(id[:1]), "", id[:1], false, NoAlert},
		{"long-session", hellotest.Client(append(id, 7)), "", nil, false, DecodeError},
		{"all", hellotest.Client(id, hellotest.Host("Mail.Example.ORG"), alpn, versions, hellotest.Extension(0xff01, 0)), "mail.example.org", id, true, NoAlert},
		{"old-versions", hellotest.Client(nil, hellotest.Extension(extSupportedVersions, hellotest.Field(1, 3, 3)...)), "", nil, false, NoAlert},
		{"dot", hellotest.Client(nil, hellotest.Host("mail.example.org.")), "mail.example.org", nil, false, NoAlert},
		{"address", hellotest.Client(nil, hellotest.Host("192.0.2.1")), "192.0.2.1", nil, false, NoAlert},
		{"longest-name", hellotest.Client(nil, hellotest.Host(strings.Repeat("a", 253))), strings.Repeat("a", 253), nil, false, NoAlert},
		{"name-too-long", hellotest.Client(nil, hellotest.Host(strings.Repeat("a", 254))), "", nil, false, IllegalParameter},
		{"empty-name", hellotest.Client(nil, hellotest.Host("")), "", nil, false, DecodeError},
		{"dot-alone", hellotest.Client(nil, hellotest.Host(".")), "", nil, false, IllegalParameter},
		{"line-end", hellotest.Client(nil, hellotest.Host("a\r\nb")), "", nil, false, IllegalParameter},
		{"nul", hellotest.Client(nil, hellotest.Host("mail.example.org\x00.evil")), "", nil, false, IllegalParameter},
		{"other-name-type", hellotest.Client(nil, hellotest.Extension(extServerName, hellotest.Field(2, append([]byte{1}, hellotest.Field(2, 'x')...)...)...)), "", nil, false, NoAlert},
		{"two-names", hellotest.Client(nil, hellotest.Extension(extServerName, hellotest.Field(2, 0, 0, 1, 'a', 0, 0, 1, 'b')...)), "", nil, false, IllegalParameter},
		{"name-behind-list", hellotest.Client(nil, hellotest.Extension(extServerName, append(hellotest.Field(2, 0, 0, 1, 'a'), 0)...)), "", nil, false, DecodeError},
		{"no-name-in-list", hellotest.Client(nil, hellotest.Extension(extServerName, 0, 0)), "", nil, false, DecodeError},
		{"twice", hellotest.Client(nil, hellotest.Host("a"), hellotest.Host("a")), "", nil, false, IllegalParameter},
		{"odd-versions", hellotest.Client(nil, hellotest.Extension(extSupportedVersions, hellotest.Field(1, 3, 4, 3)...)), "", nil, false, DecodeError},
		{"no-versions", hellotest.Client(nil, hellotest.Extension(extSupportedVersions, 0)), "", nil, false, DecodeError},
		{"empty-protocol", hellotest.Client(nil, hellotest.Extension(extALPN, hellotest.Field(2, 0)...)), "", nil, false, DecodeError},
		{"no-protocols", hellotest.Client(nil, hellotest.Extension(extALPN, 0, 0)), "", nil, false, DecodeError},
		{"cut-extension", hellotest.Client(nil, []byte{0, 99, 0, 2, 0}), "", nil, false, DecodeError},
		{"octets-behind", append([]byte{clientHello}, hellotest.Field(3, append(hellotest.Client(nil, hellotest.Host("a"))[messageHead:], 0)...)...), "", nil, false, DecodeError},
		{"nothing-in-it", []byte{clientHello, 0, 0, 0}, "", nil, false, DecodeError},
		{"server-hello", hellotest.Server(id), "", nil, false, DecodeError},
		{"longest", padded(MaxOctets), "", nil, false, NoAlert},
		{"too-long", padded(MaxOctets + 1), "", nil, false, DecodeError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cut := range []struct{ record, offer int }{{1 << 14, 1 << 20}, {1 << 14, 1}, {1000, 333}, {3, 1}, {7, 1 << 20}} {
				wire := hellotest.Records(tt.message, cut.record)
				if len(wire) >= MaxOctets && cut.record < 1<<14 {
					continue
				}
				c, whole, alert := client(t, wire, cut.offer)
				if alert != tt.alert || whole && alert == NoAlert && (string(c.Name()) != tt.host || !bytes.Equal(c.SessionID(), tt.id) || c.Modern != tt.modern) {
					t.Errorf("in records of %d, offers of %d: %q, %x, %v, alert %v; want %q, %x, %v, %v",
						cut.record, cut.offer, c.Name(), c.SessionID(), c.Modern, alert, tt.host, tt.id, tt.modern, tt.alert)
				}
				if alert == NoAlert && !whole {
					t.Errorf("in records of %d, offers of %d: not whole", cut.record, cut.offer)
				}
			}
		})
	}
}

// What is no TLS is refused as soon as that is certain.
func TestNoHello(t *testing.T) {
	good := hellotest.Records(hellotest.Client(nil), 1<<14)
	tests := []struct {
		name  string
		p     string
		alert Alert
	}{
		{"nothing", "", NoAlert},
		{"http", "G", DecodeError},
		{"ssl2", "\x80", ProtocolVersion},
		{"ssl2-long", "\x80\x2e\x01\x00\x02", ProtocolVersion},
		{"alert-first", "\x15\x03\x01\x00\x02\x02\x28", DecodeError},
		{"version", "\x16\x02", ProtocolVersion},
		{"type-alone", "\x16", NoAlert},
		{"head-cut", "\x16\x03\x01\x40", NoAlert},
		{"empty-record", "\x16\x03\x01\x00\x00", DecodeError},
		{"largest-record", "\x16\x03\x01\x40\x00", NoAlert},
		{"record-too-large", "\x16\x03\x01\x40\x01", DecodeError},
		{"other-message", "\x16\x03\x01\x00\x20\x02", DecodeError},
		{"length-cut", "\x16\x03\x01\x00\x20\x01\x00", NoAlert},
		{"largest-message", "\x16\x03\x01\x00\x20\x01\x00\x3f\xf7", NoAlert},
		{"message-too-large", "\x16\x03\x01\x00\x20\x01\x00\x3f\xf8", DecodeError},
		{"last-octet-missing", string(good[:len(good)-1]), NoAlert},
		{"another-record-type-between", string(good[:recordHead-1]) + "\x01\x01\x17\x03\x03", DecodeError},
		{"ssl2-version", string(hellotest.Records(append([]byte{clientHello}, hellotest.Field(3, append([]byte{0, 2}, hellotest.Client(nil)[6:]...)...)...), 1<<14)), ProtocolVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, whole, alert := client(t, []byte(tt.p), 1)
			if alert != tt.alert || whole && alert == NoAlert {
				t.Errorf("whole %v, alert %v; want false, %v", whole, alert, tt.alert)
			}
		})
	}
}

// However small its records, a hello has an end.
func TestManySmallRecords(t *testing.T) {
	wire := hellotest.Records(hellotest.Client(nil, hellotest.Extension(99, make([]byte, 8000)...)), 1)
	_, whole, alert := client(t, wire, 1)
	if whole || alert != DecodeError {
		t.Errorf("a hello of %d octets on the wire: whole %v, alert %v; want it refused", len(wire), whole, alert)
	}
}

func TestServerHello(t *testing.T) {
	id := bytes.Repeat([]byte{7}, 32)
	selected := func(v ...byte) []byte { return hellotest.Extension(extSupportedVersions, v...) }
	tests := []struct {
		name    string
		message []byte
		id      []byte
		alert   Alert
	}{
		{"session", hellotest.Server(id), id, NoAlert},
		{"extensions", hellotest.Server(id, hellotest.Extension(0xff01, 0), hellotest.Extension(23)), id, NoAlert},
		{"none", hellotest.Server(nil), nil, NoAlert},
		{"tls13", hellotest.Server(id, selected(3, 4)), nil, NoAlert}, // S38: its ID is what the client made up
		{"selected-older", hellotest.Server(id, selected(3, 3)), id, NoAlert},
		{"selected-twice", hellotest.Server(id, selected(3, 3), selected(3, 4)), nil, IllegalParameter},
		{"selected-odd", hellotest.Server(id, selected(3)), nil, DecodeError},
		{"long-session", hellotest.Server(append(id, 7)), nil, DecodeError},
		{"cut", append([]byte{serverHello}, hellotest.Field(3, hellotest.Server(id)[messageHead:60]...)...), nil, DecodeError},
		{"client-hello", hellotest.Client(id), nil, DecodeError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1, 1 << 14} {
				var a Assembly
				var s Server
				wire := hellotest.Records(append(tt.message, "\x0b\x00\x10\x00 and a certificate"...), 1<<14)
				whole, alert := false, NoAlert
				for end := 0; end < len(wire) && !whole && alert == NoAlert; {
					end = min(end+n, len(wire))
					whole, alert = a.Server(wire[:end], &s)
				}
				if alert != tt.alert || alert == NoAlert && (!whole || !bytes.Equal(s.SessionID(), tt.id)) {
					t.Errorf("offers of %d: whole %v, session %x, alert %v; want %x, %v", n, whole, s.SessionID(), alert, tt.id, tt.alert)
				}
			}
		})
	}
}

// selfSigned returns a certificate.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mail.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The hellos of crypto/tls are read, of each version.
func TestHellosOfCryptoTLS(t *testing.T) {
	server := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MinVersion: tls.VersionTLS10, NextProtos: []string{"h2"}}
	for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS13; version++ {
		first, answer := real(t, &tls.Config{
			ServerName: "mail.example.org", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"},
			MinVersion: version, MaxVersion: version,
		}, server)
		c, whole, alert := client(t, first, 50)
		if !whole || alert != NoAlert || string(c.Name()) != "mail.example.org" || c.Modern != (version == tls.VersionTLS13) {
			t.Errorf("%s: whole %v, alert %v, %q, modern %v", tls.VersionName(version), whole, alert, c.Name(), c.Modern)
		}
		var a Assembly
		var s Server
		if whole, alert := a.Server(answer, &s); !whole || alert != NoAlert || len(s.SessionID()) > 0 {
			t.Errorf("%s: answer whole %v, alert %v, session %x", tls.VersionName(version), whole, alert, s.SessionID())
		}
	}
}

func TestAlertRecord(t *testing.T) {
	if got := UnrecognizedName.Record(); string(got[:]) != "\x15\x03\x01\x00\x02\x02\x70" {
		t.Errorf("record %x; want a fatal alert 112", got)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	whole := hellotest.Records(hellotest.Client(hellotest.Random, hellotest.Host("mail.example.org")), 1<<14)
	pieces := hellotest.Records(hellotest.Client(hellotest.Random, hellotest.Host("mail.example.org")), 10)
	answer := hellotest.Records(hellotest.Server(hellotest.Random), 1<<14)
	least := 100.0
	for range 5 { // a collection in between empties the pool
		least = min(least, testing.AllocsPerRun(100, func() {
			var a, b, d Assembly
			var c Client
			var s Server
			_, x := a.Client(whole, &c)
			_, y := b.Client(pieces, &c)
			_, z := d.Server(answer, &s)
			if x|y|z != NoAlert || len(s.SessionID()) != 32 {
				t.Fatal("not read")
			}
		}))
	}
	if least != 0 && !raceEnabled {
		t.Errorf("%v allocations; want 0", least)
	}
}
