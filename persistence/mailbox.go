package persistence

import (
	"bytes"
	"encoding/hex"

	"casbah/internal/httphead"
)

// mailboxClaims are the claims of a bearer token that name a mailbox, the best
// first. A subject names a person to the issuer alone: it comes last.
var mailboxClaims = [...]string{"upn", "smtp", "preferred_username", "unique_name", subjectClaim}

// anchorKinds are the prefixes of X-AnchorMailbox before a name. Others, such as
// OID:, stand before numbers and belong to them.
var anchorKinds = [...]string{"smtp:", "upn:", "aad-smtp:", "aad-upn:"}

// deviceMark begins the identity of a device, so that no user and no subject
// equals it.
const deviceMark = `""`

// readMailbox reads the mailbox that the request is about.
func (k *walker) readMailbox(s *step) {
	var room [maxIdentity]byte
	name, ok := appendMailbox(room[:0], k.request)
	if !ok {
		k.none(Absent)
		return
	}
	h := s.seed
	h.write(name)
	k.key(s.keyOf(h))
}

// appendMailbox appends to dst, which has room for maxIdentity octets, the one
// form of the mailbox that a request is about. The first of these that names one
// counts:
//
//  1. the login in Authorization (Basic, NTLM, a claim of a bearer token), which
//     the server verifies;
//  2. X-AnchorMailbox, then MailboxId of the query (MAPI over HTTP), which the
//     client asks for and the server may refuse;
//  3. User of a query of ActiveSync, which no server verifies;
//  4. the client's certificate, which may be that of a gateway for many users;
//  5. what tells one client from others and names no mailbox: the subject of a
//     token, the device of ActiveSync.
//
// A Kerberos ticket names nobody here, and an NTLM login is in one request of a
// connection only: then it is 2 or 3.
func appendMailbox(dst []byte, r *Request) ([]byte, bool) {
	var room [maxIdentity]byte
	value, _ := r.Head.Value("authorization")
	login, loggedIn := appendLogin(room[:0], value, mailboxClaims[:])
	opaque := loggedIn && login[0] == subjectMark
	if loggedIn && !opaque {
		if m, ok := appendName(dst, login); ok {
			return m, true
		}
	}
	if m, ok := appendAnchor(dst, r.Head); ok {
		return m, true
	}
	if m, ok := appendEASUser(dst, r.Head.Query); ok {
		return m, true
	}
	if m, ok := appendCertificate(dst, r.Subject); ok {
		return m, true
	}
	if opaque {
		return appendLower(dst, login)
	}
	return appendEASDevice(dst, r.Head.Query)
}

// appendAnchor appends the mailbox that a client asks to be brought to.
func appendAnchor(dst []byte, head *httphead.Request) ([]byte, bool) {
	if anchor, ok := head.Value("x-anchormailbox"); ok {
		for _, kind := range anchorKinds {
			if n := len(kind); len(anchor) >= n && httphead.EqualFold(anchor[:n], kind) {
				anchor = anchor[n:]
				break
			}
		}
		if m, ok := appendName(dst, anchor); ok {
			return m, true
		}
	}
	value, ok := parameter(head.Query, "mailboxid")
	if !ok {
		return dst, false
	}
	var room [maxIdentity]byte
	id, ok := appendUnescaped(room[:0], value)
	if !ok {
		return dst, false
	}
	return appendName(dst, id)
}

// appendCertificate appends whom the client's certificate names. A distinguished
// name, which has a = that no other name has, stays as it is.
func appendCertificate(dst, subject []byte) ([]byte, bool) {
	if bytes.IndexByte(subject, '=') >= 0 {
		return appendLower(dst, subject)
	}
	return appendName(dst, subject)
}

// appendName appends the one form of a user's or mailbox's name, in lower case:
//
//   - alice@example.org, be it a mail address, a user principal name, or either
//     behind a domain (EXAMPLE\alice@example.org);
//   - example.org\alice is alice@example.org as well: Windows takes that for the
//     implicit principal name of the account;
//   - EXAMPLE\alice stays example\alice, and alice stays alice: which DNS domain
//     they mean is known to the servers alone;
//   - GUID@example.org stays such: whose it is, is known to the servers alone.
//
// What stands on different lines does not meet.
func appendName(dst, name []byte) ([]byte, bool) {
	name = bytes.TrimSpace(name)
	domain, user, ok := bytes.Cut(name, backslash)
	if !ok {
		domain, user = nil, name
	}
	user = bytes.TrimRight(user, "@")
	if len(user) == 0 || user[0] == '@' {
		return dst, false
	}
	switch {
	case len(domain) == 0, string(domain) == ".", bytes.IndexByte(user, '@') > 0:
		return appendLower(dst, user)
	case bytes.IndexByte(domain, '.') > 0:
		return appendPair(dst, user, '@', domain)
	default:
		return appendPair(dst, domain, '\\', user)
	}
}

var backslash = []byte(`\`)

// appendPair appends two names with what stands between them.
func appendPair(dst, first []byte, between byte, second []byte) ([]byte, bool) {
	out, ok := appendLower(dst, first)
	if !ok || len(out) == cap(out) {
		return dst, false
	}
	return appendLower(append(out, between), second)
}

// parameter returns the value of the first parameter of a query that has that
// name, in lower case, and is not empty. It is as it stands there.
func parameter(query []byte, name string) ([]byte, bool) {
	for p := range httphead.Parameters(query) {
		if n, value, _ := bytes.Cut(p, equals); len(value) > 0 && httphead.EqualFold(n, name) {
			return value, true
		}
	}
	return nil, false
}

// appendUnescaped appends text with its %-escapes resolved (RFC 3986, Section
// 2.1); one that is none stays. It reports false where dst has no room for it.
func appendUnescaped(dst, text []byte) ([]byte, bool) {
	for len(text) > 0 {
		if len(dst) == cap(dst) {
			return dst, false
		}
		var c [1]byte
		if text[0] == '%' && len(text) > 2 {
			if _, err := hex.Decode(c[:], text[1:3]); err == nil {
				dst, text = append(dst, c[0]), text[3:]
				continue
			}
		}
		dst, text = append(dst, text[0]), text[1:]
	}
	return dst, true
}
