package ntlm

// Kerberos is what AppendIdentity calls whoever shows a Kerberos ticket: who that
// is stands in its encrypted part.
const Kerberos = "kerberos"

// The mechanisms of Kerberos in a token (RFC 4121, Section 4.1; [MS-SPNG],
// Section 1.9): 1.2.840.113554.1.2.2, and as Windows 2000 spells it.
const (
	kerberosOID    = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	kerberosOID2k  = "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"
	kerberosOIDLen = len(kerberosOID)
)

// AppendIdentity appends to dst, which it does not grow, whom a token claims to come
// from: as AppendUser does of a type 3 message, and Kerberos of a ticket, alone or
// wrapped in SPNEGO. It reports false if t tells nobody, as the first two messages
// of NTLM do. It allocates nothing.
func AppendIdentity(dst []byte, t Token) ([]byte, bool) {
	if out, ok := AppendUser(dst, t); ok {
		return out, true
	}
	if cap(dst)-len(dst) < len(Kerberos) || !IsKerberos(t) {
		return dst, false
	}
	return append(dst, Kerberos...), true
}

// IsKerberos reports whether t is a token of Kerberos, alone or wrapped in SPNEGO.
func IsKerberos(t Token) bool {
	if t.namesKerberos() {
		return true
	}
	inner, ok := mechToken(t)
	return ok && inner.namesKerberos()
}

// namesKerberos reports whether t begins as a token of that mechanism.
func (t Token) namesKerberos() bool {
	e, ok := cutElement(t)
	if !ok || e.tag != tagApplication {
		return false
	}
	oid, ok := cutElement(e.body)
	return ok && oid.tag == tagOID && oid.body.size == kerberosOIDLen &&
		(oid.body.is(kerberosOID) || oid.body.is(kerberosOID2k))
}
