package lab

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // NTLM is made of it
	"crypto/rc4" //nolint:gosec // NTLM is made of it
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/md4" //nolint:staticcheck,gosec // NTLM is made of it

	"casbah/protocols/ntlm"
)

// The NTLMv2 response: NTProofStr, then a blob of which attributes are the last
// part ([MS-NLMP], Section 2.2.2.8), in octets.
const (
	proofOctets = 16
	blobHead    = 28
)

// Where the MIC stands in a type 3 message ([MS-NLMP], Section 2.2.1.3).
const (
	micStart = 72
	micEnd   = 88
)

// sendsMIC is the bit of ntlm.PairFlags by which a client says that its type 3
// message holds a MIC ([MS-NLMP], Section 2.2.2.1).
const sendsMIC = 2

// verify checks a type 3 message against the challenge of this handshake and
// returns whose it is ([MS-NLMP], Section 3.2.5.1.2).
func (h *handshake) verify(type3 []byte, users *Users) (user string, err error) {
	a, err := ntlm.ParseAuthenticate(type3)
	if err != nil {
		return "", err
	}
	if !a.IsNTLMv2() || len(a.NT) < proofOctets+blobHead {
		return "", errCredentials
	}
	user, password, ok := users.password(h.text.Text(a.User))
	if !ok {
		return "", errCredentials
	}
	proof, blob := a.NT[:proofOctets], a.NT[proofOctets:]
	key := h.key(a, password)
	if !hmac.Equal(proof, hmacMD5(key, h.challenge[:], blob)) {
		return "", errCredentials
	}
	if !h.isBound(a) || !h.checkMIC(type3, a, hmacMD5(key, proof)) {
		return "", errCredentials
	}
	return user, nil
}

// key is NTOWFv2 ([MS-NLMP], Section 3.3.2), with the names in the spelling that
// the client has used.
func (h *handshake) key(a ntlm.Authenticate, password string) []byte {
	hash := md4.New() //nolint:gosec // G406: NTOWFv2 is made of it
	hash.Write(utf16le(password))
	names := strings.ToUpper(h.text.Text(a.User)) + h.text.Text(a.Domain)
	return hmacMD5(hash.Sum(nil), utf16le(names))
}

// checkMIC reports whether the three messages are as both ends know them, or the
// client has not said that it sends a MIC ([MS-NLMP], Section 3.1.5.1.2). A
// balancer that touches the messages, or answers one itself, fails here.
func (h *handshake) checkMIC(type3 []byte, a ntlm.Authenticate, sessionBaseKey []byte) bool {
	flags, ok := ntlm.Pair(a.NT[proofOctets+blobHead:], ntlm.PairFlags)
	if !ok || len(flags) != 4 || binary.LittleEndian.Uint32(flags)&sendsMIC == 0 {
		return true
	}
	key, ok := exportedKey(a, sessionBaseKey)
	if !ok || len(type3) < micEnd {
		return false
	}
	blank := bytes.Clone(type3)
	clear(blank[micStart:micEnd])
	return hmac.Equal(type3[micStart:micEnd], hmacMD5(key, h.type1, h.type2, blank))
}

// exportedKey is ExportedSessionKey: one that the client has chosen, if both
// agreed on that ([MS-NLMP], Section 3.1.5.1.2).
func exportedKey(a ntlm.Authenticate, base []byte) ([]byte, bool) {
	if a.Flags&ntlm.KeyExchange == 0 {
		return base, true
	}
	c, err := rc4.NewCipher(base) //nolint:gosec // NTLM is made of it
	if err != nil || len(a.SessionKey) != len(base) {
		return nil, false
	}
	key := make([]byte, len(base))
	c.XORKeyStream(key, a.SessionKey)
	return key, true
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	m := hmac.New(md5.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
