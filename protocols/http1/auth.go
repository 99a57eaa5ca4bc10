package http1

import "casbah/internal/httphead"

// namesIdentity reports whether the value of an Authorization or
// WWW-Authenticate header names a scheme that authenticates the connection and
// not the request: NTLM, Negotiate (Nego2 too) or Kerberos. Every element of a
// comma list is looked at, because servers merge their offers into one line and
// nobody knows what a server makes of credentials that do the same. A parameter
// that looks like such a scheme counts as well: to pin in vain costs a
// connection, not to pin costs an identity.
func namesIdentity(value []byte) bool {
	elem, rest := httphead.Cut(value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		switch scheme := elem[:schemeLen(elem)]; len(scheme) {
		case 4:
			if httphead.EqualFold(scheme, "ntlm") {
				return true
			}
		case 5:
			if httphead.EqualFold(scheme, "nego2") {
				return true
			}
		case 8:
			if httphead.EqualFold(scheme, "kerberos") {
				return true
			}
		case 9:
			if httphead.EqualFold(scheme, "negotiate") {
				return true
			}
		}
	}
	return false
}

// schemeLen returns how many octets a scheme has at the start of b.
func schemeLen(b []byte) int {
	n := 0
	for n < len(b) && isToken(b[n]) {
		n++
	}
	return n
}
