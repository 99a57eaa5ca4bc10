package ntlm

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// FuzzNTLM checks that fields lie within their message, that a token reads the
// same in base64 as in octets, and that a challenge survives being written.
func FuzzNTLM(f *testing.F) {
	alice := type3(Unicode, "EXAMPLE", "Alice")
	f.Add(alice)
	f.Add(type3(OEM, "EXAMPLE", "Alice"))
	f.Add(negTokenInit(alice))
	f.Add(negTokenResp(alice, true))
	f.Add([]byte("\x60\x84\xff\xff\xff\xff\x06\x06" + spnegoOID))
	f.Add([]byte(signature + "\x01\x00\x00\x00\x00\x30\x00\x00"))
	kerberos := []byte("\x60\x0f\x06\x09" + kerberosOID + "\x01\x00\x00\x00")
	f.Add(kerberos)
	f.Add(negTokenInit(kerberos))
	f.Add((&Challenge{Flags: HasTargetInfo, TargetInfo: AppendPair(nil, EndOfList, nil)}).AppendTo(nil))
	f.Add(unhex(f, specAuthenticate))
	f.Fuzz(func(t *testing.T, msg []byte) {
		checkUser(t, msg)
		checkIdentity(t, msg)
		if inner, ok := UnwrapRaw(msg); ok && (!bytes.Contains(msg, inner) || TypeOf(inner) == None) {
			t.Fatalf("UnwrapRaw(%x) = %x", msg, inner)
		}
		if n, err := ParseNegotiate(msg); err == nil {
			within(t, msg, n.Domain, n.Workstation)
		}
		if a, err := ParseAuthenticate(msg); err == nil {
			within(t, msg, a.LM, a.NT, a.Domain, a.User, a.Workstation, a.SessionKey)
		}
		c, err := ParseChallenge(msg)
		if err != nil {
			return
		}
		within(t, msg, c.TargetName, c.TargetInfo)
		again, err := ParseChallenge(c.AppendTo(nil))
		if err != nil || again.Flags != c.Flags || again.ServerChallenge != c.ServerChallenge ||
			!bytes.Equal(again.TargetName, c.TargetName) || !bytes.Equal(again.TargetInfo, c.TargetInfo) {
			t.Fatalf("challenge %+v written and read is %+v, %v", c, again, err)
		}
	})
}

// checkUser compares the forms of a token, and what they cost in room.
func checkUser(t *testing.T, msg []byte) {
	t.Helper()
	dst := make([]byte, 3, 515)
	raw, ok := AppendUser(dst, Raw(msg))
	text := []byte(base64.StdEncoding.EncodeToString(msg))
	coded, okCoded := AppendUser(make([]byte, 3, 515), Base64(text))
	if ok != okCoded || !bytes.Equal(raw, coded) {
		t.Fatalf("user of %x = %q, %v; in base64 %q, %v", msg, raw, ok, coded, okCoded)
	}
	if ok == (len(raw) == 3) || &raw[0] != &dst[0] {
		t.Fatalf("user of %x = %q, %v: nothing, or more than there is room for", msg, raw, ok)
	}
	if ok {
		if inner, found := UnwrapRaw(msg); !found || TypeOf(inner) != AuthenticateType {
			t.Fatalf("user %q of %x, which holds no type 3 message", raw, msg)
		}
	}
}

// checkIdentity compares identities with users: who has a name has it, a ticket has
// none but its kind, and octets and base64 tell the same.
func checkIdentity(t *testing.T, msg []byte) {
	t.Helper()
	user, named := AppendUser(make([]byte, 0, 512), Raw(msg))
	id, ok := AppendIdentity(make([]byte, 0, 512), Raw(msg))
	coded, okCoded := AppendIdentity(make([]byte, 0, 512), Base64([]byte(base64.StdEncoding.EncodeToString(msg))))
	if ok != okCoded || !bytes.Equal(id, coded) {
		t.Fatalf("identity of %x = %q, %v; in base64 %q, %v", msg, id, ok, coded, okCoded)
	}
	switch kerberos := IsKerberos(Raw(msg)); {
	case named && !bytes.Equal(id, user), !named && ok != kerberos, !named && ok && string(id) != Kerberos, named && kerberos:
		t.Fatalf("identity of %x = %q, %v; user %q, %v, kerberos %v", msg, id, ok, user, named, kerberos)
	}
}

// within fails the test unless the fields are parts of msg.
func within(t *testing.T, msg []byte, fields ...[]byte) {
	t.Helper()
	for _, f := range fields {
		if len(f) > 0 && !bytes.Contains(msg[12:], f) {
			t.Fatalf("field %x is not in %x", f, msg)
		}
	}
}
