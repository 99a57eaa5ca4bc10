package persistence

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// What a sealed value is made of, in octets. The text is padded to a multiple of
// padding, so that the length of a cookie hardly tells the servers apart.
const (
	padding       = 32
	maxPlain      = 128
	plainHead     = 9 // second of issue, length of the name
	maxServerName = maxPlain - plainHead
	maxSealed     = chacha20poly1305.NonceSizeX + maxPlain + chacha20poly1305.Overhead
)

// Sealer seals and opens inserted cookies. A sealed value can be neither read nor
// altered without the passphrase, and opens in the scope alone for which it was
// made. It is XChaCha20-Poly1305, whose nonce is long enough to be random on
// every node without any of them counting.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a Sealer for the passphrase. Nodes with the same one open
// each other's cookies.
func NewSealer(passphrase []byte) (*Sealer, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("cookie passphrase: want at least one octet")
	}
	key, err := hkdf.Key(sha256.New, passphrase, nil, "casbah insert_cookie", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("cookie passphrase: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("cookie passphrase: %w", err)
	}
	return &Sealer{aead: aead}, nil
}

// sealing is the memory of one seal or open.
type sealing struct {
	sealed [maxSealed]byte
	plain  [maxPlain]byte
}

// sealings are kept because what is handed to a cipher.AEAD escapes:
// BenchmarkOpen allocates 320 octets each time without it.
var sealings = sync.Pool{New: func() any { return new(sealing) }}

// appendSeal appends to dst the sealed value that names the server and the
// second of issue. The name has at most maxServerName octets.
func (s *Sealer) appendSeal(dst, scope []byte, server string, issued uint32) []byte {
	mem := sealings.Get().(*sealing)
	defer sealings.Put(mem)
	n := (plainHead + len(server) + padding - 1) / padding * padding
	plain := mem.plain[:n]
	clear(plain)
	binary.BigEndian.PutUint64(plain, uint64(issued))
	plain[8] = byte(len(server))
	copy(plain[plainHead:], server)
	nonce := mem.sealed[:chacha20poly1305.NonceSizeX]
	rand.Read(nonce) // never fails
	return base64.RawURLEncoding.AppendEncode(dst, s.aead.Seal(nonce, nonce, plain, scope))
}

// open returns the index among members of the server that value names, and when
// it was issued. It reports false if the value was not sealed for the scope, or
// names none of them.
func (s *Sealer) open(value, scope []byte, members []Member) (member int, issued uint32, ok bool) {
	if strictURL.DecodedLen(len(value)) > maxSealed {
		return 0, 0, false
	}
	mem := sealings.Get().(*sealing)
	defer sealings.Put(mem)
	n, err := strictURL.Decode(mem.sealed[:], value)
	if err != nil || n <= chacha20poly1305.NonceSizeX || strictURL.EncodedLen(n) != len(value) {
		return 0, 0, false // the decoder passes over line ends, so that the text may be too long
	}
	nonce, box := mem.sealed[:chacha20poly1305.NonceSizeX], mem.sealed[chacha20poly1305.NonceSizeX:n]
	plain, err := s.aead.Open(mem.plain[:0], nonce, box, scope)
	if err != nil || len(plain) < plainHead || len(plain)-plainHead < int(plain[8]) {
		return 0, 0, false
	}
	name := plain[plainHead : plainHead+int(plain[8])]
	for i := range members {
		if string(name) == members[i].Name {
			return i, uint32(binary.BigEndian.Uint64(plain)), true
		}
	}
	return 0, 0, false
}

// strictURL refuses a last character with bits that are not part of the value:
// of the texts that decode alike only one opens.
var strictURL = base64.RawURLEncoding.Strict()
