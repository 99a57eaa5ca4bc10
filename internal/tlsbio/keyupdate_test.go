package tlsbio

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

// crypto/tls answers key updates and never asks for one, so the tests seal such
// records themselves, with the secrets of a key log.

// half is one direction of a TLS 1.3 connection with TLS_AES_128_GCM_SHA256.
type half struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    byte // less than 256 records
}

// newHalf derives the keys of a traffic secret. RFC 8446, Section 7.3.
func newHalf(tb testing.TB, secret []byte) *half {
	tb.Helper()
	block, err := aes.NewCipher(expandLabel(tb, secret, "key", 16))
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return &half{secret: secret, aead: aead, iv: expandLabel(tb, secret, "iv", aead.NonceSize())}
}

// next is the direction after a key update. RFC 8446, Section 7.2.
func (h *half) next(tb testing.TB) *half {
	tb.Helper()
	return newHalf(tb, expandLabel(tb, h.secret, "traffic upd", len(h.secret)))
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
func (h *half) nonce() []byte {
	nonce := bytes.Clone(h.iv)
	nonce[len(nonce)-1] ^= h.seq
	h.seq++
	return nonce
}

// seal returns a record. RFC 8446, Section 5.2.
func (h *half) seal(typ byte, text string) []byte {
	n := len(text) + 1 + h.aead.Overhead()
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return h.aead.Seal(header, h.nonce(), append([]byte(text), typ), header)
}

// open takes one record off q and returns its type and text.
func (h *half) open(tb testing.TB, q *queue) (byte, string) {
	tb.Helper()
	n := recordHeader + int(q.b[3])<<8 + int(q.b[4])
	record := q.b[:n]
	text, err := h.aead.Open(nil, h.nonce(), record[recordHeader:], record[:recordHeader])
	if err != nil {
		tb.Fatal("record does not open: ", err)
	}
	q.b = q.b[n:]
	return text[len(text)-1], string(text[:len(text)-1])
}

// keyed is an established pair, and the keys of both directions.
func keyed(t *testing.T) (p *pair, up, down *half) {
	t.Helper()
	var log bytes.Buffer
	server := serverConfig(tls.VersionTLS13)
	server.KeyLogWriter = &log
	server.SessionTicketsDisabled = true // no record has gone down
	p = newPair(t, clientConfig(), server)
	p.shake(t)
	if suite := p.server.State().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("AES is not preferred here, but ", tls.CipherSuiteName(suite))
	}
	secret := func(label string) []byte {
		_, line, ok := strings.Cut(log.String(), label+" ")
		line, _, _ = strings.Cut(line, "\n")
		raw, err := hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
		if !ok || err != nil {
			t.Fatalf("no %s in the key log: %v", label, err)
		}
		return raw
	}
	return p, newHalf(t, secret("CLIENT_TRAFFIC_SECRET_0")), newHalf(t, secret("SERVER_TRAFFIC_SECRET_0"))
}

const (
	handshakeRecord = 22
	dataRecord      = 23

	keyUpdateAlone = "\x18\x00\x00\x01\x00"
	keyUpdateAsked = "\x18\x00\x00\x01\x01" // the other side updates its keys too
)

// TestKeyUpdate: the answer to a key update leaves within Read, through the
// sink, and both directions go on under new keys. RFC 8446, Section 4.6.3.
func TestKeyUpdate(t *testing.T) {
	p, up, down := keyed(t)
	p.up.Sealed(up.seal(dataRecord, "old"))
	p.up.Sealed(up.seal(handshakeRecord, keyUpdateAlone))
	up = up.next(t)
	p.up.Sealed(up.seal(dataRecord, "new"))
	wantRead(t, p.server, &p.up, "oldnew", ErrAgain)
	if len(p.down.b) != 0 {
		t.Fatalf("%d octets answer an update without a request", len(p.down.b))
	}

	p.up.Sealed(up.seal(handshakeRecord, keyUpdateAsked))
	up = up.next(t)
	wantRead(t, p.server, &p.up, "", ErrAgain)
	if typ, text := down.open(t, &p.down); typ != handshakeRecord || text != keyUpdateAlone {
		t.Fatalf("answer is %d %q", typ, text)
	}
	down = down.next(t)
	write(t, p.server, "answer")
	if typ, text := down.open(t, &p.down); typ != dataRecord || text != "answer" {
		t.Fatalf("answer is %d %q", typ, text)
	}
	p.up.Sealed(up.seal(dataRecord, "newer"))
	wantRead(t, p.server, &p.up, "newer", ErrAgain)
	p.server.CloseWrite()
	if typ, text := down.open(t, &p.down); typ != 21 || text != "\x01\x00" || len(p.down.b) != 0 {
		t.Fatalf("end is %d %q", typ, text)
	}
}

// TestKeyUpdateInPieces cuts the message into records, and these into octets.
func TestKeyUpdateInPieces(t *testing.T) {
	p, up, down := keyed(t)
	for i := range len(keyUpdateAsked) {
		for _, octet := range up.seal(handshakeRecord, keyUpdateAsked[i:i+1]) {
			p.server.Feed([]byte{octet})
			if n, err := p.server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrAgain) {
				t.Fatalf("octet %d of the message: %d, %v", i, n, err)
			}
		}
	}
	p.up.Sealed(up.next(t).seal(dataRecord, "new"))
	wantRead(t, p.server, &p.up, "new", ErrAgain)
	if typ, text := down.open(t, &p.down); typ != handshakeRecord || text != keyUpdateAlone {
		t.Fatalf("answer is %d %q", typ, text)
	}
}

// TestKeyUpdateFlood ends a connection that does nothing else, so that what a
// peer can make the sink take without sending octets of its own is bounded.
func TestKeyUpdateFlood(t *testing.T) {
	p, up, _ := keyed(t)
	for range 100 {
		p.up.Sealed(up.seal(handshakeRecord, keyUpdateAsked))
		up = up.next(t)
	}
	_, err := readAll(p.server, &p.up)
	if err == nil || errors.Is(err, ErrAgain) || errors.Is(err, io.EOF) {
		t.Fatalf("Read() = %v after 100 key updates; want it to fail", err)
	}
	if len(p.down.b) > 1000 {
		t.Errorf("%d octets answer them", len(p.down.b))
	}
}
