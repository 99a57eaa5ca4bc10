package lab

import (
	"bytes"
	"crypto/rc4"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/Azure/go-ntlmssp"

	"casbah/protocols/ntlm"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The examples of [MS-NLMP], Sections 4.2.1 and 4.2.4.
func TestNTLMv2Examples(t *testing.T) {
	h := &handshake{text: ntlm.Unicode, challenge: [8]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}}
	a := ntlm.Authenticate{
		User: utf16le("User"), Domain: utf16le("Domain"), Flags: ntlm.KeyExchange | ntlm.Unicode,
		SessionKey: unhex(t, "c5dad2544fc9799094ce1ce90bc9d03e"),
	}
	blob := unhex(t, "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"+
		"02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000")
	key := h.key(a, "Password")
	proof := hmacMD5(key, h.challenge[:], blob)
	base := hmacMD5(key, proof)
	exported, ok := exportedKey(a, base)
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"NTOWFv2", key, "0c868a403bfd7a93a3001ef22ef02e3f"},
		{"NTProofStr", proof, "68cd0ab851e51c96aabc927bebef6a1c"},
		{"SessionBaseKey", base, "8de40ccadbc14a82f15cb0ad0de95ca3"},
		{"ExportedSessionKey", exported, "55555555555555555555555555555555"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.got); got != tt.want || !ok {
			t.Errorf("%s = %s; want %s", tt.name, got, tt.want)
		}
	}
}

// type3WithMIC answers a challenge as Windows does: with flags among the
// attributes, a session key of the client's choice, and a MIC over all three
// messages. go-ntlmssp sends none.
func type3WithMIC(t *testing.T, type1, type2 []byte, user, password string) []byte {
	t.Helper()
	c, err := ntlm.ParseChallenge(type2)
	if err != nil {
		t.Fatal(err)
	}
	h := &handshake{text: c.Flags & ntlm.Unicode, challenge: c.ServerChallenge}
	a := ntlm.Authenticate{User: utf16le(user), Domain: utf16le(Domain)}
	info := ntlm.AppendPair(nil, ntlm.PairFlags, []byte{sendsMIC, 0, 0, 0})
	info = append(info, c.TargetInfo...)
	blob := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 20)...)
	blob = append(append(blob, info...), 0, 0, 0, 0)
	key := h.key(a, password)
	proof := hmacMD5(key, c.ServerChallenge[:], blob)
	exported := bytes.Repeat([]byte{0x55}, 16)
	sealed := make([]byte, 16)
	cipher, err := rc4.NewCipher(hmacMD5(key, proof))
	if err != nil {
		t.Fatal(err)
	}
	cipher.XORKeyStream(sealed, exported)
	m := layType3(c.Flags, [][]byte{nil, append(proof, blob...), a.Domain, a.User, nil, sealed})
	copy(m[micStart:], hmacMD5(exported, type1, type2, m))
	return m
}

// layType3 lays out an AUTHENTICATE_MESSAGE with room for a MIC.
func layType3(flags ntlm.Flags, fields [][]byte) []byte {
	le := binary.LittleEndian
	m := le.AppendUint32([]byte("NTLMSSP\x00"), uint32(ntlm.AuthenticateType))
	offset := micEnd
	for _, f := range fields {
		m = le.AppendUint16(m, uint16(len(f)))
		m = le.AppendUint16(m, uint16(len(f)))
		m = le.AppendUint32(m, uint32(offset))
		offset += len(f)
	}
	m = le.AppendUint32(m, uint32(flags))
	m = append(m, make([]byte, micEnd-len(m))...)
	return append(m, bytes.Join(fields, nil)...)
}

// A message that was altered on its way is noticed where the client sends a MIC,
// though the proof in it still holds.
func TestMIC(t *testing.T) {
	type1, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	type1[15] |= 0x40 // key exchange, which go-ntlmssp does not ask for
	tests := []struct {
		name  string
		alter func(h *handshake, type3 []byte)
		want  bool
	}{
		{"untouched", func(*handshake, []byte) {}, true},
		{"version", func(_ *handshake, type3 []byte) { type3[64] ^= 1 }, false},
		{"mic", func(_ *handshake, type3 []byte) { type3[micStart] ^= 1 }, false},
		{"session-key", func(_ *handshake, type3 []byte) { type3[len(type3)-1] ^= 1 }, false},
		{"type-1", func(h *handshake, _ []byte) { h.type1[15] ^= 0x20 }, false},
		{"type-2", func(h *handshake, _ []byte) { h.type2[len(h.type2)-1] ^= 1 }, false},
		{"cut", func(h *handshake, type3 []byte) { clear(type3[52:60]) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := newHandshake(type1, "cas1")
			if err != nil {
				t.Fatal(err)
			}
			type3 := type3WithMIC(t, type1, h.type2, "alice", "Secret1")
			tt.alter(h, type3)
			if user, err := h.verify(type3, NewUsers()); (err == nil) != tt.want {
				t.Errorf("verify = %q, %v; want success %v", user, err, tt.want)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	h := &handshake{text: ntlm.Unicode}
	f.Add(layType3(ntlm.Unicode|ntlm.KeyExchange, [][]byte{nil, make([]byte, 60), utf16le("LAB"), utf16le("alice"), nil, make([]byte, 16)}))
	f.Add([]byte("NTLMSSP\x00\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if user, err := h.verify(p, NewUsers()); err == nil {
			t.Fatalf("%x is %s", p, user)
		}
	})
}
