package tlsterm

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

func TestLoadPairForms(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	ec, rs := newECDSA(t), newRSA(t)
	sec1, err := x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(rs.(*rsa.PrivateKey))
	params := &pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8}}
	tests := []struct {
		name string
		rsa  bool
		key  []*pem.Block
	}{
		{"pkcs8-ecdsa", false, []*pem.Block{keyBlock(t, ec)}},
		{"pkcs8-rsa", true, []*pem.Block{keyBlock(t, rs)}},
		{"sec1-behind-parameters", false, []*pem.Block{params, {Type: "EC PRIVATE KEY", Bytes: sec1}}},
		{"pkcs1", true, []*pem.Block{{Type: "RSA PRIVATE KEY", Bytes: pkcs1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := ec
			if tt.rsa {
				key = rs
			}
			leaf := certBlock(ca.issue(t, key, time.Hour, "mail.example.org").Leaf)
			cert, err := LoadPair(write(t, "cert.pem", leaf, certBlock(ca.cert)), write(t, "key.pem", tt.key...))
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != 2 || cert.Leaf.DNSNames[0] != "mail.example.org" {
				t.Errorf("chain of %d for %v; want 2 for mail.example.org", len(cert.Certificate), cert.Leaf.DNSNames)
			}
			both := write(t, "both.pem", append(tt.key, leaf)...)
			if _, err := LoadPair(both, both); err != nil {
				t.Errorf("both in one file: %v", err)
			}
		})
	}
}

// An expired certificate loads: it is worth a warning, not an outage.
func TestLoadPairTakesExpired(t *testing.T) {
	ca, key := newAuthority(t, "Test CA"), newECDSA(t)
	leaf := ca.issue(t, key, -time.Minute, "mail.example.org").Leaf
	cert, err := LoadPair(write(t, "cert.pem", certBlock(leaf)), write(t, "key.pem", keyBlock(t, key)))
	if err != nil {
		t.Fatal(err)
	}
	if Valid(cert, time.Now()) == nil {
		t.Error("Valid takes an expired certificate for valid")
	}
}

func TestLoadPairMistakes(t *testing.T) {
	ca, key := newAuthority(t, "Test CA"), newECDSA(t)
	leaf := ca.issue(t, key, time.Hour, "mail.example.org").Leaf
	goodCert, goodKey := write(t, "cert.pem", certBlock(leaf)), write(t, "key.pem", keyBlock(t, key))
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := x509.MarshalPKCS8PrivateKey(x25519)
	if err != nil {
		t.Fatal(err)
	}
	reversed := write(t, "reversed.pem", certBlock(ca.cert), certBlock(leaf))
	legacy := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}}
	tests := []struct {
		name      string
		cert, key string
		want      string // CERT and KEY stand for the files
	}{
		{"no-certificate-file", "/nonexistent/cert.pem", goodKey, "certificate CERT: no such file or directory"},
		{"no-key-file", goodCert, "/nonexistent/key.pem", "key KEY: no such file or directory"},
		{"directory", t.TempDir(), goodKey, "certificate CERT: is a directory"},
		{"empty", writeText(t, "empty.pem", " \n"), goodKey, "certificate CERT: is empty"},
		{"not-pem", writeText(t, "der.pem", "\x30\x82\x01"), goodKey, "certificate CERT: want a PEM file with a CERTIFICATE block, got no PEM block"},
		{"swapped", goodKey, goodCert, "certificate CERT: want a PEM file with a CERTIFICATE block, got PRIVATE KEY"},
		{"key-file-holds-certificate", goodCert, goodCert, "key KEY: want a PEM file with a PRIVATE KEY block, got CERTIFICATE"},
		{"damaged-certificate", write(t, "bad.pem", certBlock(leaf), &pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), goodKey, "certificate CERT: certificate 2 of the file: x509: "},
		{"damaged-key", goodCert, write(t, "bad.key", &pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "key KEY: not a key in PKCS #1, SEC 1 or PKCS #8 form: "},
		{"encrypted", goodCert, write(t, "enc.key", &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), "key KEY: is encrypted; want a key without a passphrase"},
		{"encrypted-the-old-way", goodCert, write(t, "old.key", legacy), "key KEY: is encrypted; want a key without a passphrase"},
		{"cannot-sign", goodCert, write(t, "x25519.key", &pem.Block{Type: "PRIVATE KEY", Bytes: exchange}), "key KEY: a *ecdh.PrivateKey cannot sign; want an RSA, ECDSA or Ed25519 key"},
		{"mismatch", goodCert, write(t, "other.key", keyBlock(t, newECDSA(t))), "key KEY: does not belong to the certificate in CERT"},
		{"wrong-order", reversed, goodKey, "certificate CERT: the key belongs to certificate 2 of the file; want that one first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadPair(tt.cert, tt.key)
			want := strings.NewReplacer("CERT:", tt.cert+":", "KEY:", tt.key+":", "in CERT", "in "+tt.cert).Replace(tt.want)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("LoadPair = %v; want %s", err, want)
			}
		})
	}
}
