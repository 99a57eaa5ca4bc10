package maildialogue

// RevealsSecret reports whether a SASL mechanism tells the password, or a token
// that serves as one, to whoever reads the connection: PLAIN (RFC 4616), LOGIN,
// the bearer tokens of RFC 7628 and XOAUTH2. What is not the name of a mechanism
// (RFC 4422, Section 3.1) counts as one: a server may read something else in it.
func RevealsSecret(mechanism []byte) bool {
	return !IsVerb(mechanism) || HasPrefix(mechanism, "PLAIN") || Is(mechanism, "LOGIN") ||
		Is(mechanism, "XOAUTH2") || Is(mechanism, "XOAUTH") || Is(mechanism, "OAUTHBEARER")
}

// AppendMechanisms appends the mechanisms of a list that do not reveal secrets,
// each behind a space, and says how many there are of either kind.
func AppendMechanisms(dst, list []byte) (out []byte, kept, all int) {
	for {
		var word []byte
		word, list = Word(list)
		if len(word) == 0 {
			return dst, kept, all
		}
		all++
		if !RevealsSecret(word) {
			kept++
			dst = append(append(dst, ' '), word...)
		}
	}
}
