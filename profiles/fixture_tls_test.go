package profiles

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"casbah/internal/pki/pkitest"
)

// writeForms adds certificates in other forms, and what clients' certificates are
// judged by.
func writeForms(tb testing.TB, dir string) {
	tb.Helper()
	const words = "Pa ss"
	ca, key := pkitest.NewAuthority(tb, "CA"), pkitest.ECDSA(tb)
	leaf := ca.Issue(tb, key, 10*365*24*time.Hour, "mail.example.org").Leaf
	pfx, err := pkcs12.Modern2023.Encode(key, leaf, nil, words)
	if err != nil {
		tb.Fatal(err)
	}
	sealed, err := pkcs8.MarshalPrivateKey(key, []byte(words), nil)
	if err != nil {
		tb.Fatal(err)
	}
	late := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, data := range map[string][]byte{
		"mail.pfx":          pfx,
		"pfx.words":         []byte(words + "\r\n"),
		"leaf.pem":          pem.EncodeToMemory(pkitest.CertBlock(leaf)),
		"sealed.key":        pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}),
		"client.ca":         pem.EncodeToMemory(pkitest.CertBlock(ca.Cert)),
		"client.crl":        pem.EncodeToMemory(ca.Revoke(tb, time.Now().AddDate(10, 0, 0), leaf)),
		"internal-root.pem": pem.EncodeToMemory(pkitest.CertBlock(ca.Cert)),
		"eab.key":           []byte("bWFkZSBvZiBzaXh0ZWVuIG9jdGV0cyBhbmQgbW9yZQ==\n"),
		"overdue.crl":       pem.EncodeToMemory(ca.Revoke(tb, late)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "open.pfx"), pfx, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "open.pfx"), 0o644); err != nil {
		tb.Fatal(err)
	}
}
