package persistence

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// ntlmToken returns a type 3 message in base64.
func ntlmToken(domain, user string) string {
	return base64.StdEncoding.EncodeToString(ntlmMessage(domain, user))
}

func ntlmMessage(domain, user string) []byte {
	d, u := utf16le(domain), utf16le(user)
	m := make([]byte, 64)
	copy(m, "NTLMSSP\x00\x03")
	field := func(at int, b []byte) {
		binary.LittleEndian.PutUint16(m[at:], uint16(len(b)))
		binary.LittleEndian.PutUint32(m[at+4:], uint32(len(m)))
		m = append(m, b...)
	}
	binary.LittleEndian.PutUint32(m[60:], 1) // Unicode
	field(20, make([]byte, 300))             // a response that stands before the names
	field(28, d)
	field(36, u)
	return m
}

func utf16le(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// spnegoToken returns a type 3 message in a NegTokenResp.
func spnegoToken(user string) string {
	der := func(tag byte, body []byte) []byte {
		return append([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	inner := der(0xa2, der(0x04, ntlmMessage("EXAMPLE", user)))
	return base64.StdEncoding.EncodeToString(der(0xa1, der(0x30, inner)))
}

func bearerToken(payload string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestAppendUser(t *testing.T) {
	long := strings.Repeat("u", maxIdentity-4)
	tests := []struct {
		name, value, want string // empty: names no one
	}{
		{"basic", "Basic " + base64.StdEncoding.EncodeToString([]byte("Alice:secret")), "alice"},
		{"basic-scheme-case", "bASIC " + base64.StdEncoding.EncodeToString([]byte("alice:")), "alice"},
		{"basic-domain", "Basic " + base64.StdEncoding.EncodeToString([]byte(`EXAMPLE\Alice:a:b`)), `example\alice`},
		{"basic-utf8", "Basic " + base64.StdEncoding.EncodeToString([]byte("ÄNNE:x")), "änne"},
		{"basic-latin1", "Basic " + base64.StdEncoding.EncodeToString([]byte("\xc4NNE:x")), "\xc4nne"},
		{"basic-long-password", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+strings.Repeat("x", 9000))), "alice"},
		{"basic-longest-user", "Basic " + base64.StdEncoding.EncodeToString([]byte(long+":x")), long},
		{"basic-too-long-user", "Basic " + base64.StdEncoding.EncodeToString([]byte(long+"uuuuuuuu:x")), ""},
		{"basic-no-colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice")), ""},
		{"basic-no-user", "Basic " + base64.StdEncoding.EncodeToString([]byte(":x")), ""},
		{"basic-not-base64", "Basic !!!!", ""},
		{"ntlm", "NTLM " + ntlmToken("EXAMPLE", "Alice"), `example\alice`},
		{"ntlm-no-domain", "NTLM " + ntlmToken("", "Alice@Example.org"), "alice@example.org"},
		{"ntlm-type-1", "NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==", ""},
		{"negotiate-ntlm", "Negotiate " + ntlmToken("EXAMPLE", "Alice"), `example\alice`},
		{"negotiate-spnego", "Negotiate " + spnegoToken("Alice"), `example\alice`},
		{"negotiate-kerberos", "Negotiate YIIGgAYGKwYBBQUCoIIGdDCCBnCgMDAuBgkqhkiC9xIBAgIG", ""},
		{"bearer-sub", "Bearer " + bearerToken(`{"upn":"a@b","sub":"AbC"}`), `"AbC`},
		{"bearer-upn", "Bearer " + bearerToken(`{"unique_name":"x","upn":"Alice@Example.org","n":1}`), "alice@example.org"},
		{"bearer-unique-name", "Bearer " + bearerToken(` { "a" : [ {"sub":"no"} , "]" ] , "b":"\"sub\":\"no\"", "unique_name" : "Alice" } `), "alice"},
		{"bearer-nobody", "Bearer " + bearerToken(`{"aud":"x","exp":17}`), ""},
		{"bearer-sub-number", "Bearer " + bearerToken(`{"sub":17,"upn":"alice"}`), "alice"},
		{"bearer-long-sub", "Bearer " + bearerToken(`{"upn":"alice","sub":"`+strings.Repeat("x", 600)+`"}`), ""},
		{"bearer-long-token", "Bearer " + bearerToken(`{"x":"`+strings.Repeat("x", 60000)+`","sub":"alice"}`), `"alice`},
		{"bearer-array", "Bearer " + bearerToken(`["sub","alice"]`), ""},
		{"bearer-cut", "Bearer " + bearerToken(`{"sub":"ali`), ""},
		{"bearer-opaque", "Bearer 0123456789abcdef", ""},
		{"digest", `Digest username="alice"`, ""},
		{"scheme-alone", "Basic", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var room [maxIdentity]byte
			got, ok := appendUser(room[:0], []byte(tt.value))
			if ok != (tt.want != "") || ok && string(got) != tt.want {
				t.Errorf("appendUser = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

// A step on Authorization yields no key for what names no one, and keeps its
// server over new passwords, tokens and schemes. S17.
func TestAuthorizationStep(t *testing.T) {
	s := newSite(t, []Step{{By: Header, Name: "Authorization"}})
	s.send(client{header: basic(`EXAMPLE\alice`, "old")}, answer{})
	s.choose = cas2
	for _, header := range []string{
		basic(`example\Alice`, "new"),
		"Authorization: NTLM " + ntlmToken("Example", "ALICE"),
		"Authorization: Negotiate " + spnegoToken("alice"),
	} {
		s.expect(header, s.send(client{header: header}, answer{}), cas1, Bound)
	}
	v := s.send(client{header: "Authorization: NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA="}, answer{})
	s.expect("type 1", v, cas2, NoKey)
	if v.walk.Readings[0].Use != Unreadable {
		t.Errorf("reading is %q; want %q", v.walk.Readings[0].Use, Unreadable)
	}
	s.expect("another user", s.send(client{header: basic(`EXAMPLE\bob`, "old")}, answer{}), cas2, Fresh)
}

func TestHeaderStep(t *testing.T) {
	s := newSite(t, []Step{{By: Header, Name: "X-AnchorMailbox"}})
	s.send(client{header: "X-AnchorMailbox: alice"}, answer{})
	s.choose = cas2
	s.expect("any spelling of the name", s.send(client{header: "x-anchormailbox:   alice "}, answer{}), cas1, Bound)
	s.expect("value with case", s.send(client{header: "X-AnchorMailbox: Alice"}, answer{}), cas2, Fresh)
	s.expect("empty", s.send(client{header: "X-AnchorMailbox:"}, answer{}), cas2, NoKey)
}
