package lab

import (
	"encoding/asn1"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"casbah/protocols/ntlm"
)

// negTokenInit wraps a client's first message as Windows does: Kerberos is
// offered too, NTLM last.
func negTokenInit(message []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tagGSSAPI, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2})
		b.AddASN1(der.Tag(0xa0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.Tag(0xa0), func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2})
						b.AddASN1ObjectIdentifier(mechanismNTLM)
					})
				})
				b.AddASN1(tagResponseToken, func(b *cryptobyte.Builder) { b.AddASN1OctetString(message) })
			})
		})
	})
	return b.BytesOrPanic()
}

// responseToken returns the NTLM message in the answer to a Negotiate token.
func responseToken(t *testing.T, fields []string) []byte {
	t.Helper()
	for _, f := range fields {
		if text, ok := strings.CutPrefix(f, "WWW-Authenticate: Negotiate "); ok {
			token, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			if message, ok := ntlm.UnwrapRaw(token); ok {
				return message
			}
		}
	}
	t.Fatalf("no NTLM in %q", fields)
	return nil
}

func mustQuery(t *testing.T, raw string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestForeignTokens(t *testing.T) {
	tests := []struct {
		name  string
		token []byte
	}{
		{"empty", nil},
		{"text", []byte("hello")},
		{"bare-ticket", []byte{0x60, 0x03, 1, 2, 3}},
		{"cut", negTokenInit([]byte("NTLMSSP\x00\x01\x00\x00\x00"))[:20]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, e, err := openEnvelope(tt.token); err == nil {
				t.Errorf("openEnvelope accepted %x as %+v", tt.token, e)
			}
		})
	}
}
