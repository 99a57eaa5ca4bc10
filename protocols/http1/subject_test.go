package http1

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"casbah/internal/httphead"
)

// named is a site whose servers are told of the certificates of clients.
func named(t *testing.T, subject *pkix.Name) *site {
	t.Helper()
	s := newSite(t)
	s.vip.SubjectHeader, s.vip.Private = "X-Client-Subject", []string{"x-other-vip", "x-client-subject"}
	if subject != nil {
		s.conn.Shown = &x509.Certificate{Subject: *subject}
	}
	return s
}

// Servers are told the subject of the certificate that the client has shown, and
// whatever it claims of that itself does not reach them.
func TestSubjectIsToldAndNotForged(t *testing.T) {
	forged := []string{
		"X-Client-Subject: CN=admin", "A: b", "x-CLIENT-subject: CN=admin", "X_Client_Subject: CN=admin", "X-Other-VIP: CN=admin",
		"X-Client-Subjects: c",
	}
	alice := &pkix.Name{CommonName: "alice, of sales", Organization: []string{"Example"}}
	told := "X-Client-Subject: CN=alice\\, of sales,O=Example\r\n"
	for _, tt := range []struct {
		name    string
		subject *pkix.Name
		told    string
	}{
		{"without", nil, ""},
		{"with", alice, told},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sent(t, named(t, tt.subject), lines(forged...))
			wanted := strings.TrimSuffix(forwarded(lines("A: b", "X-Client-Subjects: c")), "\r\n") + tt.told + "\r\n"
			want(t, "server got", got, wanted)
		})
	}
}

// A VIP that asks for no certificates drops the header too, and tells nothing.
func TestSubjectOfAnotherVIP(t *testing.T) {
	s := named(t, nil)
	s.vip.SubjectHeader = ""
	want(t, "server got", sent(t, s, lines("X-Client-Subject: CN=admin")), forwarded(lines()))
}

// Connection cannot strip what casbah says, and a trusted proxy cannot say it.
func TestSubjectStandsByItself(t *testing.T) {
	alice := &pkix.Name{CommonName: "alice"}
	told := strings.TrimSuffix(forwarded(lines("Connection: keep-alive")), "\r\n") + "X-Client-Subject: CN=alice\r\n\r\n"
	want(t, "server got", sent(t, named(t, alice), lines("Connection: keep-alive, X-Client-Subject")), told)
}

// A name with a line break in it adds no header, whatever it holds.
func FuzzSubject(f *testing.F) {
	f.Add("alice")
	f.Add("a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\nGET /ecp HTTP/1.1")
	f.Add("Jürgen \x00\x7f\xff\\0D")
	f.Fuzz(func(t *testing.T, name string) {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		head := append([]byte("GET / HTTP/1.1\r\nHost: a\r\nX-Client-Subject: "), appendSubject(nil, shownBy(c).subject)...)
		head = append(head, "\r\n\r\n"...)
		n, err := httphead.End(head, 0)
		if err != nil || n != len(head) {
			t.Fatalf("%q: a head of %d of %d octets: %v", head, n, len(head), err)
		}
		var req httphead.Request
		if err := req.Parse(head); err != nil || len(req.Fields) != 2 {
			t.Fatalf("%q: %d fields, %v; want 2", head, len(req.Fields), err)
		}
	})
}

// Browsers are told to stay with https in every answer, casbah's own too, and once.
func TestStrictTransport(t *testing.T) {
	const line = "Strict-Transport-Security: max-age=86400\r\n"
	s := newSite(t)
	s.vip.StrictTransport = line
	for _, tt := range []struct{ name, in, wants string }{
		{"added", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + "\r\n"},
		{
			"instead", "HTTP/1.1 200 OK\r\nA: b\r\nstrict-transport-security: max-age=1\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n" + line + "\r\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := answered(t, s, get, tt.in)
			want(t, "client got", got, tt.wants)
		})
	}
	f := s.open(t)
	f.fromClient(request("/nowhere", "A: b"))
	if got := string(f.client().sent); !strings.HasPrefix(got, "HTTP/1.1 404 Not Found\r\n"+line) {
		t.Errorf("client got %q; want %q in it", got, line)
	}
	s.vip.StrictTransport = ""
	const theirs = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n"
	got, _ := answered(t, s, get, theirs)
	want(t, "client got", got, strings.Replace(theirs, "Keep-Alive: 5\r\n", "", 1))
}

// otherName is an alternative of a subject, as Windows writes it.
func otherName(tb testing.TB, oid asn1.ObjectIdentifier, name string) []byte {
	tb.Helper()
	der, err := asn1.MarshalWithParams(struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"tag:0,explicit,utf8"`
	}{oid, name}, "tag:0")
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// alternatives are the extension of a certificate with these names.
func alternatives(tb testing.TB, names ...[]byte) pkix.Extension {
	tb.Helper()
	all := make([]asn1.RawValue, len(names))
	for i, n := range names {
		all[i] = asn1.RawValue{FullBytes: n}
	}
	der, err := asn1.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	return pkix.Extension{Id: oidAlternatives, Value: der}
}

// A certificate is of the account that Windows would take it for, or else of its
// mail address, or of its whole name.
func TestAccountOfACertificate(t *testing.T) {
	mail := []byte{0x81, 3, 'a', '@', 'b'}
	upn := otherName(t, oidPrincipal, "alice@example.org")
	other := otherName(t, asn1.ObjectIdentifier{1, 2, 3}, "bob@example.org")
	for _, tt := range []struct {
		name string
		cert x509.Certificate
		want string
	}{
		{"principal", x509.Certificate{Extensions: []pkix.Extension{alternatives(t, mail, other, upn)}, EmailAddresses: []string{"a@b"}}, "alice@example.org"},
		{"mail", x509.Certificate{Extensions: []pkix.Extension{alternatives(t, mail, other)}, EmailAddresses: []string{"a@b"}}, "a@b"},
		{"name", x509.Certificate{Extensions: []pkix.Extension{alternatives(t, other)}}, "CN=alice"},
		{"broken", x509.Certificate{Extensions: []pkix.Extension{{Id: oidAlternatives, Value: upn[:9]}}}, "CN=alice"},
	} {
		tt.cert.Subject.CommonName = "alice"
		if got := string(shownBy(&tt.cert).account); got != tt.want {
			t.Errorf("%s: account %q; want %q", tt.name, got, tt.want)
		}
	}
	if shownBy(nil) != nil {
		t.Error("something is shown by no certificate")
	}
}

// What is found is there, whatever the alternatives look like.
func FuzzPrincipal(f *testing.F) {
	f.Add(alternatives(f, otherName(f, oidPrincipal, "alice@example.org")).Value)
	f.Add([]byte{0x30, 0x02, 0xa0, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		if name := principalIn(der); !bytes.Contains(der, name) {
			t.Fatalf("principal %q of %x", name, der)
		}
	})
}
