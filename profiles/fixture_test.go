package profiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeFixtures fills dir with the files that testdata names.
func writeFixtures(tb testing.TB, dir string) {
	tb.Helper()
	now := time.Now()
	cert, key := makePair(tb, now.Add(-time.Hour), now.AddDate(10, 0, 0))
	oldCert, oldKey := makePair(tb, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))
	bad := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	for name, data := range map[string][]byte{
		"mail.pem":     cert,
		"mail.key":     key,
		"both.pem":     append(append([]byte{}, cert...), key...),
		"expired.pem":  oldCert,
		"expired.key":  oldKey,
		"broken.pem":   bad,
		"text.pem":     []byte("hello\n"),
		"admin.token":  []byte("0123456789abcdef0123456789abcdef\n"),
		"short.token":  []byte("  secret\n"),
		"large.pem":    make([]byte, 1<<20+1),
		"cookie.words": []byte("correct horse battery staple\n"),
		"cookie.old":   []byte("wrong horse battery staple\n"),
		"probe.words":  []byte("Secret 1\r\n"),
		"two.lines":    []byte("Secret1\r\nDELE 1\r\n"),
		"empty.words":  []byte("\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	writeForms(tb, dir)
	if err := os.WriteFile(filepath.Join(dir, "open.key"), key, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "open.key"), 0o644); err != nil { // whatever the umask
		tb.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		tb.Fatal(err)
	}
}

// makePair returns a certificate for mail.example.org and its key, in PEM.
func makePair(tb testing.TB, from, to time.Time) (cert, key []byte) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"},
		DNSNames: []string{"mail.example.org"}, NotBefore: from, NotAfter: to,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		tb.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
