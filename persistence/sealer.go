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
	mateOctets    = 16
	maxServerName = maxPlain - plainHead - mateOctets
	maxSealed     = chacha20poly1305.NonceSizeX + maxPlain + chacha20poly1305.Overhead
)

// MaxOldPassphrases is how many passphrases beside the current one a Sealer
// takes: a value that is not casbah's costs a try with each of them.
const MaxOldPassphrases = 5

// Sealer seals and opens casbah's own cookies. A sealed value can be neither read
// nor altered without the passphrase, and opens in the scope alone for which it
// was made. It is XChaCha20-Poly1305, whose nonce is long enough to be random on
// every node without any of them counting.
type Sealer struct {
	keys []sealKey // the first seals, all open
}

// sealKey is what derives from one passphrase.
type sealKey struct {
	aead cipher.AEAD
	mate Secret // keys the hash of application cookies that have a companion
}

// NewSealer returns a Sealer for the passphrase. Nodes with the same one open
// each other's cookies. What was sealed under an old one opens too.
func NewSealer(passphrase []byte, old ...[]byte) (*Sealer, error) {
	if len(old) > MaxOldPassphrases {
		return nil, fmt.Errorf("cookie passphrase: want at most %d old ones, got %d", MaxOldPassphrases, len(old))
	}
	s := new(Sealer)
	for _, p := range append([][]byte{passphrase}, old...) {
		key, err := newSealKey(p)
		if err != nil {
			return nil, fmt.Errorf("cookie passphrase: %w", err)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

func newSealKey(passphrase []byte) (k sealKey, err error) {
	if len(passphrase) == 0 {
		return k, errors.New("want at least one octet")
	}
	key, err := hkdf.Key(sha256.New, passphrase, nil, "casbah insert_cookie", chacha20poly1305.KeySize)
	if err != nil {
		return k, err
	}
	if k.aead, err = chacha20poly1305.NewX(key); err != nil {
		return k, err
	}
	mate, err := hkdf.Key(sha256.New, passphrase, nil, "casbah companion", len(k.mate))
	k.mate = Secret(mate)
	return k, err
}

// sealing is the memory of one seal or open.
type sealing struct {
	sealed [maxSealed]byte
	plain  [maxPlain]byte
}

// sealings are kept because what is handed to a cipher.AEAD escapes:
// BenchmarkOpen allocates 320 octets each time without it.
var sealings = sync.Pool{New: func() any { return new(sealing) }}

// opened is what a sealed value says.
type opened struct {
	member int    // index of the server that it names; -1: it is not in the pool
	issued uint32 // second of issue
	mate   Key    // of a companion: hash of the application cookie; else zero
	key    int    // index of the key that it was sealed under; 0: the current one
}

// appendSeal appends to dst the sealed value that names the server, the second
// of issue and, of a companion, its mate. The name has at most maxServerName octets.
func (s *Sealer) appendSeal(dst, scope []byte, server string, issued uint32, mate Key) []byte {
	mem := sealings.Get().(*sealing)
	defer sealings.Put(mem)
	n := plainHead + len(server)
	if !mate.IsZero() {
		n += mateOctets
	}
	plain := mem.plain[:(n+padding-1)/padding*padding]
	clear(plain)
	binary.BigEndian.PutUint64(plain, uint64(issued))
	plain[8] = byte(len(server))
	n = plainHead + copy(plain[plainHead:], server)
	if !mate.IsZero() {
		binary.BigEndian.PutUint64(plain[n:], mate.hi)
		binary.BigEndian.PutUint64(plain[n+8:], mate.lo)
	}
	nonce := mem.sealed[:chacha20poly1305.NonceSizeX]
	rand.Read(nonce) // never fails
	return base64.RawURLEncoding.AppendEncode(dst, s.keys[0].aead.Seal(nonce, nonce, plain, scope))
}

// open returns what value says of members. It reports false if the value was not
// sealed for the scope.
func (s *Sealer) open(value, scope []byte, members []Member) (opened, bool) {
	if strictURL.DecodedLen(len(value)) > maxSealed {
		return opened{}, false
	}
	mem := sealings.Get().(*sealing)
	defer sealings.Put(mem)
	n, err := strictURL.Decode(mem.sealed[:], value)
	if err != nil || n <= chacha20poly1305.NonceSizeX || strictURL.EncodedLen(n) != len(value) {
		return opened{}, false // the decoder passes over line ends, so that the text may be too long
	}
	nonce, box := mem.sealed[:chacha20poly1305.NonceSizeX], mem.sealed[chacha20poly1305.NonceSizeX:n]
	for i := range s.keys {
		if plain, err := s.keys[i].aead.Open(mem.plain[:0], nonce, box, scope); err == nil {
			return parseSealed(plain, members, i)
		}
	}
	return opened{}, false
}

// parseSealed reads what was sealed under key.
func parseSealed(plain []byte, members []Member, key int) (opened, bool) {
	if len(plain) < plainHead || len(plain)-plainHead < int(plain[8]) {
		return opened{}, false
	}
	name, rest := plain[plainHead:plainHead+int(plain[8])], plain[plainHead+int(plain[8]):]
	o := opened{member: -1, issued: uint32(binary.BigEndian.Uint64(plain)), key: key}
	if len(rest) >= mateOctets {
		o.mate = Key{hi: binary.BigEndian.Uint64(rest), lo: binary.BigEndian.Uint64(rest[8:])}
	}
	for i := range members {
		if string(name) == members[i].Name {
			o.member = i
		}
	}
	return o, true
}

// strictURL refuses a last character with bits that are not part of the value:
// of the texts that decode alike only one opens.
var strictURL = base64.RawURLEncoding.Strict()
