package persistence

import (
	"bytes"
	"encoding/base64"
	"unicode"
	"unicode/utf8"

	"casbah/internal/httphead"
	"casbah/protocols/ntlm"
)

// maxIdentity bounds what identifies a user, in octets. A longer name is none.
const maxIdentity = 512

// appendUser appends to dst, which has room for maxIdentity octets, whom the
// value of an Authorization header names, and reports whether it names anyone. A
// user has one identity whatever the password, the token and the scheme; a
// password or a token is never part of it. Not even a user's own name is
// verified here: that is the server's business.
func appendUser(dst, value []byte) ([]byte, bool) { return appendLogin(dst, value, claims[:]) }

// appendLogin is appendUser with the claims of a bearer token that may name the
// user, the best first.
func appendLogin(dst, value []byte, claims []string) ([]byte, bool) {
	scheme, credentials, ok := bytes.Cut(value, space)
	if !ok {
		return dst, false
	}
	credentials = bytes.TrimLeft(credentials, " ")
	switch {
	case httphead.EqualFold(scheme, "basic"):
		return appendBasicUser(dst, credentials)
	case httphead.EqualFold(scheme, "ntlm"), httphead.EqualFold(scheme, "negotiate"):
		return ntlm.AppendUser(dst, ntlm.Base64(credentials))
	case httphead.EqualFold(scheme, "bearer"):
		return appendClaim(dst, credentials, claims)
	default:
		return dst, false
	}
}

var space = []byte(" ")

// appendBasicUser appends the user of Basic credentials in lower case
// (RFC 7617): all up to the first colon.
func appendBasicUser(dst, credentials []byte) ([]byte, bool) {
	text := bytes.TrimRight(credentials, "=")
	text = text[:min(len(text), base64.RawStdEncoding.EncodedLen(maxIdentity+2))]
	var plain [maxIdentity + 2]byte
	n, err := base64.RawStdEncoding.Decode(plain[:], text)
	if err != nil {
		return dst, false
	}
	user, _, ok := bytes.Cut(plain[:n], colon)
	if !ok || len(user) == 0 {
		return dst, false
	}
	return appendLower(dst, user)
}

var colon = []byte(":")

// appendLower appends text in lower case, as far as it is UTF-8; Windows ignores
// the case of a user's name. It reports false where dst has no room for it.
func appendLower(dst, text []byte) ([]byte, bool) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if len(dst)+utf8.UTFMax > cap(dst) {
			return dst, false
		}
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, text[0])
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		text = text[n:]
	}
	return dst, true
}
