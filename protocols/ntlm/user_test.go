package ntlm

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// user returns what AppendUser makes of t, with as much room as a caller gives.
func user(t Token) (string, bool) {
	b, ok := AppendUser(make([]byte, 0, 512), t)
	return string(b), ok
}

// type3 returns a type 3 message of the user.
func type3(flags Flags, domain, user string) []byte {
	m := make([]byte, authenticateHeader)
	copy(m, signature+"\x03")
	binary.LittleEndian.PutUint32(m[60:], uint32(flags))
	for _, field := range []struct {
		at   int
		text string
	}{{28, domain}, {36, user}} {
		f := flags.AppendText(nil, field.text)
		copy(m[field.at:], appendSpan(nil, span{len(f), len(m)}))
		m = append(m, f...)
	}
	return m
}

// withOffset returns msg with another offset in the field at.
func withOffset(msg []byte, at int, offset uint32) []byte {
	msg = slices.Clone(msg)
	binary.LittleEndian.PutUint32(msg[at+4:], offset)
	return msg
}

// der returns a DER element. Lengths are of one octet, or of four where long.
func der(tag byte, body []byte, long bool) []byte {
	if !long {
		return append([]byte{tag, byte(len(body))}, body...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, uint32(len(body))), body...)
}

// negTokenInit wraps a mechanism's token as a client does in its first message,
// with long lengths.
func negTokenInit(token []byte) []byte {
	mechs := der(tagInit, der(tagSequence, der(tagOID, []byte("\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"), false), false), false)
	seq := der(tagSequence, slices.Concat(mechs, der(tagToken, der(tagOctets, token, true), true)), true)
	return der(tagApplication, slices.Concat(der(tagOID, []byte(spnegoOID), false), der(tagInit, seq, true)), true)
}

// negTokenResp wraps a mechanism's token as in the later messages.
func negTokenResp(token []byte, long bool) []byte {
	state := der(0xa0, der(0x0a, []byte{1}, false), false)
	seq := der(tagSequence, slices.Concat(state, der(tagToken, der(tagOctets, token, long), long)), long)
	return der(tagResp, seq, long)
}

func TestAppendUser(t *testing.T) {
	alice := type3(Unicode, "EXAMPLE", "Alice")
	kerberos := []byte("\x60\x23\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00 a ticket, in short")
	longest := strings.Repeat("u", maxField/2)
	tests := []struct {
		name string
		msg  []byte
		want string // empty: no one
	}{
		{"unicode", alice, `example\alice`},
		{"oem", type3(OEM, "EXAMPLE", "Alice"), `example\alice`},
		{"no-domain", type3(Unicode, "", "Alice@Example.org"), "alice@example.org"},
		{"not-ascii", type3(Unicode, "ÖRTLICH", "Ævar"), `örtlich\ævar`},
		{"outside-the-bmp", type3(Unicode, "", "a😀B"), "a😀b"},
		{"oem-not-ascii", type3(OEM, "", "\x8eNNE"), "\x8enne"},
		{"longest", type3(Unicode, "", longest), longest},
		{"too-long", type3(Unicode, "", longest+"u"), ""},
		{"too-long-with-domain", type3(Unicode, longest, longest), ""},
		{"anonymous", type3(Unicode|Anonymous, "", "x"), ""},
		{"no-user", type3(Unicode, "EXAMPLE", ""), ""},
		{"odd-length", func() []byte { m := type3(Unicode, "", "ab"); m[36] = 3; return m }(), ""},
		{"spec", unhex(t, specAuthenticate), `domain\user`},
		{"type-2", unhex(t, specChallenge), ""},
		{"type-4", []byte(signature + "\x04" + strings.Repeat("\x00", 80)), ""},
		{"spnego-init", negTokenInit(alice), `example\alice`},
		{"spnego-resp", negTokenResp(alice, true), `example\alice`},
		{"spnego-short-lengths", negTokenResp(type3(OEM, "E", "al"), false), `e\al`},
		{"spnego-kerberos", negTokenInit(kerberos), ""},
		{"kerberos", kerberos, ""},
		{"spnego-no-token", der(tagResp, der(tagSequence, der(0xa0, der(0x0a, []byte{0}, false), false), false), false), ""},
		{"spnego-cut", negTokenInit(alice)[:100], ""},
		{"indefinite-length", append([]byte{tagResp, 0x80}, alice...), ""},
		{"indefinite-inside", der(tagResp, der(tagSequence, append([]byte{0xa0, 0x80}, der(tagToken, der(tagOctets, alice, true), true)...), true), true), ""},
		{"user-behind-the-end", withOffset(alice, 36, uint32(len(alice)-9)), ""},
		{"user-at-the-end", withOffset(alice, 36, uint32(len(alice)-10)), `example\alice`},
		{"user-in-the-header", withOffset(alice, 36, 54), ""},
		{"user-far-away", withOffset(alice, 36, 1<<32-1), ""},
		{"domain-far-away", withOffset(alice, 28, 1<<31-1), ""},
		{"length-of-lengths", []byte{tagResp, 0x85, 0, 0, 0, 0, 1, 0}, ""},
		{"huge-length", []byte{tagResp, 0x84, 0xff, 0xff, 0xff, 0xff, 1}, ""},
		{"empty", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for form, token := range map[string]Token{
				"raw":      Raw(tt.msg),
				"padded":   Base64([]byte(base64.StdEncoding.EncodeToString(tt.msg))),
				"unpadded": Base64([]byte(base64.RawStdEncoding.EncodeToString(tt.msg))),
			} {
				if got, ok := user(token); got != tt.want || ok != (tt.want != "") {
					t.Errorf("AppendUser of %s = %q, %v; want %q", form, got, ok, tt.want)
				}
			}
		})
	}
}

func TestAppendUserKeepsItsRoom(t *testing.T) {
	msg := type3(Unicode, "EXAMPLE", "alice")
	for n := range 40 {
		dst := make([]byte, 0, n)
		got, ok := AppendUser(dst, Raw(msg))
		if ok != (n >= len(`example\alice`)+3) || cap(got) != n || !ok && len(got) != 0 {
			t.Errorf("with room for %d: %q, %v", n, got, ok)
		}
	}
}

// Whole fields may stand anywhere behind the header, and far into a long message.
func TestFieldsFarInTheMessage(t *testing.T) {
	msg := type3(Unicode, "EXAMPLE", "alice")
	for shift := range 7 {
		far := slices.Concat(msg, make([]byte, 60_000+shift), []byte("b\x00o\x00b\x00"))
		copy(far[36:], appendSpan(nil, span{6, len(far) - 6}))
		text := []byte(base64.StdEncoding.EncodeToString(far))
		if got, ok := user(Base64(text)); got != `example\bob` || !ok {
			t.Errorf("user %q, %v; want example\\bob", got, ok)
		}
	}
}

func TestUnwrapRaw(t *testing.T) {
	msg := type3(Unicode, "EXAMPLE", "alice")
	for _, token := range [][]byte{msg, negTokenInit(msg), negTokenResp(msg, true)} {
		if got, ok := UnwrapRaw(token); !ok || string(got) != string(msg) {
			t.Errorf("UnwrapRaw(%.20x...) = %.20x..., %v", token, got, ok)
		}
	}
	if _, ok := UnwrapRaw([]byte("\x60\x00")); ok {
		t.Error("UnwrapRaw finds a message in nothing")
	}
}

func TestAppendUserDoesNotAllocate(t *testing.T) {
	text := []byte(base64.StdEncoding.EncodeToString(negTokenInit(type3(Unicode, "EXAMPLE", "alice"))))
	dst := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(1000, func() { AppendUser(dst, Base64(text)) }); n != 0 {
		t.Errorf("AppendUser allocates %v times per call; want 0", n)
	}
}
