// Package tlsbiotest makes records of TLS 1.3 by hand, for tests of what crypto/tls
// answers and never sends itself: requests for key updates.
package tlsbiotest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// The types of records, and whole messages. RFC 8446, Section 4.6.3.
const (
	HandshakeRecord = 22
	DataRecord      = 23

	KeyUpdateAlone = "\x18\x00\x00\x01\x00"
	KeyUpdateAsked = "\x18\x00\x00\x01\x01" // the other side updates its keys too
)

// The labels of the first secrets in a key log.
const (
	ClientTraffic = "CLIENT_TRAFFIC_SECRET_0"
	ServerTraffic = "SERVER_TRAFFIC_SECRET_0"
)

const recordHeader = 5

// Traffic is one direction of a connection with TLS_AES_128_GCM_SHA256, under one
// key. No record of the direction may have gone under it before.
type Traffic struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    byte // less than 256 records
}

// NewTraffic returns the direction whose secret is under that label in a key log.
func NewTraffic(tb testing.TB, keyLog, label string) *Traffic {
	tb.Helper()
	_, line, ok := strings.Cut(keyLog, label+" ")
	line, _, _ = strings.Cut(line, "\n")
	secret, err := hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
	if !ok || err != nil {
		tb.Fatalf("no %s in the key log: %v", label, err)
	}
	return newTraffic(tb, secret)
}

// newTraffic derives the keys of a traffic secret. RFC 8446, Section 7.3.
func newTraffic(tb testing.TB, secret []byte) *Traffic {
	tb.Helper()
	block, err := aes.NewCipher(expandLabel(tb, secret, "key", 16))
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return &Traffic{secret: secret, aead: aead, iv: expandLabel(tb, secret, "iv", aead.NonceSize())}
}

// Next is the direction after a key update. RFC 8446, Section 7.2.
func (d *Traffic) Next(tb testing.TB) *Traffic {
	tb.Helper()
	return newTraffic(tb, expandLabel(tb, d.secret, "traffic upd", len(d.secret)))
}

// expandLabel is HKDF-Expand-Label without a context. RFC 8446, Section 7.1.
func expandLabel(tb testing.TB, secret []byte, label string, n int) []byte {
	tb.Helper()
	label = "tls13 " + label
	info := string([]byte{0, byte(n), byte(len(label))}) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// nonce is that of the next record. RFC 8446, Section 5.3.
func (d *Traffic) nonce() []byte {
	nonce := bytes.Clone(d.iv)
	nonce[len(nonce)-1] ^= d.seq
	d.seq++
	return nonce
}

// Seal returns a record. RFC 8446, Section 5.2.
func (d *Traffic) Seal(typ byte, text string) []byte {
	n := len(text) + 1 + d.aead.Overhead()
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return d.aead.Seal(header, d.nonce(), append([]byte(text), typ), header)
}

var errShort = errors.New("tlsbiotest: record is cut")

// Record is one that was opened.
type Record struct {
	Type byte
	Text string
}

// Open opens the record that p begins with, and returns what is behind it.
func (d *Traffic) Open(p []byte) (r Record, rest []byte, err error) {
	if len(p) < recordHeader {
		return r, nil, errShort
	}
	n := recordHeader + int(p[3])<<8 + int(p[4])
	if len(p) < n {
		return r, nil, errShort
	}
	inner, err := d.aead.Open(nil, d.nonce(), p[recordHeader:n], p[:recordHeader])
	if err != nil {
		return r, nil, err
	}
	last := len(inner) - 1
	return Record{Type: inner[last], Text: string(inner[:last])}, p[n:], nil
}
