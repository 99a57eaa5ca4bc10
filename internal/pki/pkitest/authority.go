// Package pkitest makes certificates, keys and revocation lists for tests, and their
// files.
package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Authority is a certificate authority of one test.
type Authority struct {
	Cert   *x509.Certificate
	Key    crypto.Signer
	serial int64
}

// NewAuthority returns an authority of that name.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{Key: ECDSA(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a.Cert = sign(t, template, template, a.Key.Public(), a.Key)
	return a
}

// Issue makes a certificate for names, valid from an hour ago for the time given.
func (a *Authority) Issue(t testing.TB, key crypto.Signer, valid time.Duration, names ...string) *tls.Certificate {
	t.Helper()
	now := time.Now()
	return a.sign(t, key, pkix.Name{CommonName: names[0]}, now.Add(-time.Hour), now.Add(valid), names...)
}

// IssueTo makes a certificate for a subject that is no host, valid for an hour.
func (a *Authority) IssueTo(t testing.TB, key crypto.Signer, subject pkix.Name) *tls.Certificate {
	t.Helper()
	now := time.Now()
	return a.sign(t, key, subject, now.Add(-time.Hour), now.Add(time.Hour))
}

// IssueFrom makes a certificate that is valid between two times.
func (a *Authority) IssueFrom(t testing.TB, key crypto.Signer, from, to time.Time, names ...string) *tls.Certificate {
	t.Helper()
	return a.sign(t, key, pkix.Name{CommonName: names[0]}, from, to, names...)
}

func (a *Authority) sign(t testing.TB, key crypto.Signer, subject pkix.Name, from, to time.Time, names ...string) *tls.Certificate {
	t.Helper()
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.serial), Subject: subject, NotBefore: from, NotAfter: to,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	leaf := sign(t, template, a.Cert, key.Public(), a.Key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// Pool trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Cert)
	return p
}

func sign(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// ECDSA returns a new key.
func ECDSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rsaKey is made once: it takes a second on a slow machine.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// RSA returns a key of 2048 bits, the same each time.
func RSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Write puts PEM blocks into a file of the test and returns its path.
func Write(t testing.TB, name string, blocks ...*pem.Block) string {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	return WriteText(t, name, string(text))
}

// WriteText puts a text into a file of the test and returns its path.
func WriteText(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// CertBlock is the PEM block of a certificate.
func CertBlock(c *x509.Certificate) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw} }

// KeyBlock is the PEM block of a key, in PKCS #8.
func KeyBlock(t testing.TB, key crypto.Signer) *pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// Revoke returns a revocation list of the authority, valid to a time, as a PEM block.
func (a *Authority) Revoke(t testing.TB, until time.Time, certs ...*x509.Certificate) *pem.Block {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: until.Add(-48 * time.Hour), NextUpdate: until}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Cert, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "X509 CRL", Bytes: der}
}

// Replace gives a file other contents in one step, as what renews certificates does.
func Replace(t testing.TB, file string, blocks ...*pem.Block) {
	t.Helper()
	if err := os.Rename(Write(t, "new", blocks...), file); err != nil {
		t.Fatal(err)
	}
}

// Intermediate returns an authority that a has certified.
func (a *Authority) Intermediate(t testing.TB, name string) *Authority {
	t.Helper()
	a.serial++
	sub := &Authority{Key: ECDSA(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: a.Cert.NotBefore, NotAfter: a.Cert.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	sub.Cert = sign(t, template, a.Cert, sub.Key.Public(), a.Key)
	return sub
}
