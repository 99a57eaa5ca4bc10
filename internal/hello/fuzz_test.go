package hello

import (
	"bytes"
	"testing"

	"casbah/internal/hello/hellotest"
)

// FuzzClientHello reads anything. The verdict does not depend on how the octets
// are cut or what follows them; it is final, and comes within the limit; what is
// read is bounded and of the characters of a name.
func FuzzClientHello(f *testing.F) {
	full := hellotest.Client(hellotest.Random, hellotest.Host("mail.example.org"), hellotest.Extension(extSupportedVersions, 2, 3, 4),
		hellotest.Extension(extALPN, hellotest.Field(2, hellotest.Field(1, 'h', '2')...)...))
	f.Add(hellotest.Records(full, 1<<14), uint16(1))
	f.Add(hellotest.Records(full, 5), uint16(3))
	f.Add([]byte("\x80\x2e\x01\x00\x02"), uint16(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(2))
	f.Add(hellotest.Records(hellotest.Client(nil, hellotest.Extension(99, make([]byte, MaxOctets)...)), 1<<14), uint16(1000))
	f.Fuzz(func(t *testing.T, p []byte, step uint16) {
		before := bytes.Clone(p)
		var once Assembly
		var want, got Client
		whole, alert := once.Client(p, &want)
		var a Assembly
		n := 0
		for end := 0; end < len(p) && n == 0; {
			end = min(end+1+int(step), len(p))
			if ok, al := a.Client(p[:end], &got); ok || al != NoAlert {
				n = end
				if ok != whole || al != alert || got != want {
					t.Fatalf("in pieces %v, %v, %+v; at once %v, %v, %+v", ok, al, got, whole, alert, want)
				}
			}
		}
		if (n == 0) != (!whole && alert == NoAlert) {
			t.Fatalf("in pieces decided at %d; at once %v, %v", n, whole, alert)
		}
		if n == 0 && len(p) >= MaxOctets {
			t.Fatalf("undecided after %d octets", len(p))
		}
		if !bytes.Equal(p, before) {
			t.Fatal("the octets were changed")
		}
		if len(want.SessionID()) > maxSessionID || len(want.Name()) > maxName || bytes.ContainsFunc(want.Name(), odd) {
			t.Fatalf("read %q, %x", want.Name(), want.SessionID())
		}
		if whole && alert == NoAlert { // what follows is none of its business
			var more Assembly
			if ok, al := more.Client(append(before, "\x17\x03\x03 anything"...), &got); !ok || al != NoAlert || got != want {
				t.Fatalf("with more behind it %v, %v", ok, al)
			}
		}
	})
}

// odd reports what no name has in lower case.
func odd(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != ':'
}

// FuzzServerHello is the same for the other side.
func FuzzServerHello(f *testing.F) {
	f.Add(hellotest.Records(hellotest.Server(hellotest.Random), 1<<14), uint16(1))
	f.Add(hellotest.Records(hellotest.Server(hellotest.Random, hellotest.Extension(extSupportedVersions, 3, 4)), 1<<14), uint16(7))
	f.Add(hellotest.Records(hellotest.Server(nil, hellotest.Extension(23)), 4), uint16(2))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x28"), uint16(1))
	f.Fuzz(func(t *testing.T, p []byte, step uint16) {
		before := bytes.Clone(p)
		var once, a Assembly
		var want, got Server
		whole, alert := once.Server(p, &want)
		n := 0
		for end := 0; end < len(p) && n == 0; {
			end = min(end+1+int(step), len(p))
			if ok, al := a.Server(p[:end], &got); ok || al != NoAlert {
				n = end
				if ok != whole || al != alert || got != want {
					t.Fatalf("in pieces %v, %v; at once %v, %v", ok, al, whole, alert)
				}
			}
		}
		if (n == 0) != (!whole && alert == NoAlert) || n == 0 && len(p) >= MaxOctets {
			t.Fatalf("in pieces decided at %d of %d; at once %v, %v", n, len(p), whole, alert)
		}
		if !bytes.Equal(p, before) || len(want.SessionID()) > maxSessionID || want.version >= versionTLS13 && len(want.SessionID()) > 0 {
			t.Fatalf("read %x of version %x", want.SessionID(), want.version)
		}
	})
}
