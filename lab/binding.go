package lab

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // NTLM is made of it
	"crypto/sha256"
	"encoding/binary"

	"casbah/protocols/ntlm"
)

// Binding is the value of ntlm.ChannelBindings by which a client ties its login
// to a TLS connection whose server has shown the certificate leaf, in DER: the
// MD5 of a structure of GSS-API that holds a hash of the certificate ([MS-NLMP],
// Section 2.2.2.1; RFC 5929, Section 4.1, with SHA-256 as for most signatures).
func Binding(leaf []byte) []byte {
	hash := sha256.Sum256(leaf)
	data := append([]byte("tls-server-end-point:"), hash[:]...)
	bindings := make([]byte, 16) // types and lengths of two addresses that nobody gives
	bindings = binary.LittleEndian.AppendUint32(bindings, uint32(len(data)))
	sum := md5.Sum(append(bindings, data...)) //nolint:gosec // G401: as above
	return sum[:]
}

// binding returns what a login must be bound to on this connection; nil where
// Extended Protection is off.
func (c *conn) binding(a *Array) []byte {
	switch {
	case !a.options.Protected:
		return nil
	case !c.secure:
		return []byte("none that a client could know") // to bind to, there is no TLS
	default:
		return Binding(a.cert.Certificate[0])
	}
}

// isBound reports whether a type 3 message is bound as the handshake wants it.
func (h *handshake) isBound(a ntlm.Authenticate) bool {
	if h.binding == nil {
		return true
	}
	got, ok := ntlm.Pair(a.NT[proofOctets+blobHead:], ntlm.ChannelBindings)
	return ok && hmac.Equal(got, h.binding)
}
