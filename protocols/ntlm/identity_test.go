package ntlm

import (
	"encoding/base64"
	"testing"
)

func TestAppendIdentity(t *testing.T) {
	const body = " a ticket, in short"
	kerberos := []byte("\x60\x20\x06\x09" + kerberosOID + "\x01\x00" + body)
	old := []byte("\x60\x20\x06\x09" + kerberosOID2k + "\x01\x00" + body)
	alice := type3(Unicode, "EXAMPLE", "Alice")
	tests := []struct {
		name  string
		token []byte
		want  string // empty: nobody
	}{
		{"type-1", []byte(signature + "\x01\x00\x00\x00\x00\x00\x00\x00"), ""},
		{"type-3", alice, `example\alice`},
		{"type-3-in-spnego", negTokenResp(alice, false), `example\alice`},
		{"type-3-in-the-first-token", negTokenInit(alice), `example\alice`},
		{"anonymous", type3(Unicode|Anonymous, "EXAMPLE", "Alice"), ""},
		{"kerberos", kerberos, Kerberos},
		{"kerberos-of-windows-2000", old, Kerberos},
		{"kerberos-in-spnego", negTokenInit(kerberos), Kerberos},
		{"kerberos-in-a-response", negTokenResp(kerberos, false), Kerberos},
		{"another-mechanism", []byte("\x60\x20\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x03\x01\x00" + body), ""},
		{"shorter-than-it-says", kerberos[:20], ""},
		{"spnego-without-token", negTokenInit(nil), ""},
		{"nothing", nil, ""},
		{"words", []byte("kerberos"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := []byte(base64.StdEncoding.EncodeToString(tt.token))
			for form, token := range map[string]Token{"octets": Raw(tt.token), "base64": Base64(text)} {
				got, ok := AppendIdentity(make([]byte, 0, 512), token)
				if string(got) != tt.want || ok != (tt.want != "") {
					t.Errorf("%s: identity %q, %v; want %q", form, got, ok, tt.want)
				}
			}
		})
	}
}

// It never asks for more room than there is, and allocates nothing.
func TestAppendIdentityKeepsToItsRoom(t *testing.T) {
	kerberos := Raw([]byte("\x60\x0b\x06\x09" + kerberosOID))
	for room := range len(Kerberos) {
		if got, ok := AppendIdentity(make([]byte, 0, room), kerberos); ok || len(got) != 0 {
			t.Errorf("room for %d octets: %q, %v", room, got, ok)
		}
	}
	dst, token := make([]byte, 0, 512), Base64([]byte(base64.StdEncoding.EncodeToString(negTokenInit(type3(Unicode, "EXAMPLE", "Alice")))))
	if n := testing.AllocsPerRun(100, func() { AppendIdentity(dst, token) }); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
