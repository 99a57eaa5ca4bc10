// Package hello reads the first message of each side of a TLS connection that
// casbah passes on without decrypting it: who is asked for, and which session is
// resumed or given.
//
// It follows RFC 8446 and, for what came before TLS 1.3, RFC 5246; RFC 6066,
// Section 3 (server_name); RFC 7301 (ALPN); RFC 8446, Appendix D.4: the session
// ID of TLS 1.3 is random and names no session.
//
// Not implemented: hellos in the form of SSL 2.0 (RFC 5246, Appendix E.2), which
// are refused, and any message but the first.
package hello

// MaxOctets is how long a hello may be, records and all. Those of today have 200
// to 2,000 octets.
const MaxOctets = 16 << 10

// The versions that are told apart (RFC 8446, Section 4.2.1).
const (
	versionSSL3  = 0x0300
	versionTLS13 = 0x0304
)

// The types of messages (RFC 8446, Section 4).
const (
	clientHello = 1
	serverHello = 2
)

// The types of extensions (RFC 8446, Section 4.2).
const (
	extServerName        = 0
	extALPN              = 16
	extSupportedVersions = 43
)

const (
	randomOctets = 32
	maxSessionID = 32
	messageHead  = 4 // type and length
)
