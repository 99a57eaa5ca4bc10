// Package hellotest makes hellos of TLS by hand, good and bad ones, for tests.
package hellotest

import "encoding/binary"

// Random stands for the random octets of a hello.
var Random = make([]byte, 32)

// The extensions of which tests make sample ones (RFC 8446, Section 4.2).
const (
	ServerName        = 0
	ALPN              = 16
	SupportedVersions = 43
)

// Field returns b behind its length in n octets.
func Field(n int, b ...byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(length[4-n:], b...)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// Extension returns one extension.
func Extension(kind int, body ...byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind)}, Field(2, body...)...)
}

// Host returns server_name with that name.
func Host(name string) []byte {
	return Extension(ServerName, Field(2, append([]byte{0}, Field(2, []byte(name)...)...)...)...)
}

// Offers returns supported_versions of a client of TLS 1.3 and 1.2.
func Offers() []byte { return Extension(SupportedVersions, Field(1, 3, 4, 3, 3)...) }

// Selects returns supported_versions of a server that chose TLS 1.3.
func Selects() []byte { return Extension(SupportedVersions, 3, 4) }

// Client returns a ClientHello with that session ID and those extensions.
func Client(id []byte, extensions ...[]byte) []byte {
	body := join([]byte{3, 3}, Random, Field(1, id...), Field(2, 0xc0, 0x2f), Field(1, 0))
	if extensions != nil {
		body = append(body, Field(2, join(extensions...)...)...)
	}
	return append([]byte{1}, Field(3, body...)...)
}

// Server returns a ServerHello.
func Server(id []byte, extensions ...[]byte) []byte {
	body := join([]byte{3, 3}, Random, Field(1, id...), []byte{0xc0, 0x2f, 0})
	if extensions != nil {
		body = append(body, Field(2, join(extensions...)...)...)
	}
	return append([]byte{2}, Field(3, body...)...)
}

// Records puts a message into records of at most size octets each.
func Records(message []byte, size int) []byte {
	var out []byte
	for len(message) > 0 {
		n := min(size, len(message))
		out = append(out, append([]byte{22, 3, 1}, Field(2, message[:n]...)...)...)
		message = message[n:]
	}
	return out
}
