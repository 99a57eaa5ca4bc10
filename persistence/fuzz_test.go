package persistence

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// sealedCas1 was sealed for cas1 in the scope "mail", at second 1767323045, under
// the passphrase "open sesame". It is fixed, since each process of a fuzzer would
// make another one, and since what clients hold must open after an upgrade.
const sealedCas1 = "sDRFFAheDnPMXLb7vCUONS0wtq6SPwoQcbf5xMSBNJZW5VXslRhQnkw8E16is61ZleOBxyLW_LIs_R6xFJws4sgZM3ciBAj-"

// FuzzSealedCookie checks that nothing opens but what was sealed, as it was
// sealed, in the scope for which it was sealed.
func FuzzSealedCookie(f *testing.F) {
	sealer, err := NewSealer([]byte("open sesame"))
	if err != nil {
		f.Fatal(err)
	}
	scope := []byte("mail")
	value := []byte(sealedCas1)
	f.Add([]byte{}, uint16(0), byte(0))
	f.Add(value, uint16(0), byte(0))
	f.Add(bytes.ToUpper(value), uint16(31), byte(1))
	f.Add(value[:40], uint16(95), byte(0x20))
	f.Add(append(bytes.Clone(value), '='), uint16(64), byte(0x80))
	f.Fuzz(func(t *testing.T, in []byte, at uint16, flip byte) {
		if _, _, ok := sealer.open(in, scope, members); ok && !bytes.Equal(in, value) {
			t.Fatalf("%q opens", in)
		}
		altered := bytes.Clone(value)
		altered[int(at)%len(altered)] ^= flip
		i, issued, ok := sealer.open(altered, scope, members)
		if ok != (flip == 0) || ok && (i != 0 || issued != 1767323045) {
			t.Fatalf("open(%q) = %d, %d, %v", altered, i, issued, ok)
		}
		if _, _, ok := sealer.open(value, in, members); ok != bytes.Equal(in, scope) {
			t.Fatalf("a cookie of scope %q opens in %q: %v", scope, in, ok)
		}
	})
}

// FuzzAuthorizationKey checks what a user is made of: never more than there is
// room for, never anything of a password, always the same.
func FuzzAuthorizationKey(f *testing.F) {
	f.Add("Basic "+base64.StdEncoding.EncodeToString([]byte("alice:secret")), "alice", "secret")
	f.Add("NTLM "+ntlmToken("EXAMPLE", "Alice"), "EXAMPLE\\alice", "")
	f.Add("Negotiate "+spnegoToken("Alice"), "Ä\xc4", ":")
	f.Add("Bearer "+bearerToken(`{"a":{"b":[1,"]"]},"sub":"x\"y"}`), "\x00", "x")
	f.Add("Bearer ."+base64.RawURLEncoding.EncodeToString([]byte(`{"upn":""`)), "", "")
	f.Fuzz(func(t *testing.T, value, user, password string) {
		var room, again [maxIdentity]byte
		got, ok := appendUser(room[:0], []byte(value))
		if ok && (len(got) == 0 || &got[0] != &room[0]) {
			t.Fatalf("appendUser(%q) = %q; want something, within its room", value, got)
		}
		if same, _ := appendUser(again[:0], []byte(value)); ok && !bytes.Equal(got, same) {
			t.Fatalf("appendUser(%q) = %q, then %q", value, got, same)
		}
		if bytes.IndexByte([]byte(user), ':') >= 0 {
			return
		}
		name := func(password string) ([]byte, bool) {
			text := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
			return appendUser(make([]byte, 0, maxIdentity), []byte("Basic "+text))
		}
		with, ok := name(password)
		without, okWithout := name("")
		if ok != okWithout || !bytes.Equal(with, without) {
			t.Fatalf("user %q is %q with password %q, %q without", user, with, password, without)
		}
		if ok != (user != "" && len(user) <= maxIdentity) && len(user) < maxIdentity/2 {
			t.Fatalf("user %q names someone: %v", user, ok)
		}
	})
}
