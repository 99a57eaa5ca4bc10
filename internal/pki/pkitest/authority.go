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
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	a := &Authority{Key: ECDSA(tb)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a.Cert = sign(tb, template, template, a.Key.Public(), a.Key)
	return a
}

// Issue makes a certificate for names, valid from an hour ago for the time given.
func (a *Authority) Issue(tb testing.TB, key crypto.Signer, valid time.Duration, names ...string) *tls.Certificate {
	tb.Helper()
	now := time.Now()
	return a.IssueFrom(tb, key, now.Add(-time.Hour), now.Add(valid), names...)
}

// IssueFrom makes a certificate that is valid between two times.
func (a *Authority) IssueFrom(tb testing.TB, key crypto.Signer, from, to time.Time, names ...string) *tls.Certificate {
	tb.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: to}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return a.certify(tb, key, template)
}

// IssueTo makes a certificate for a subject that is no host, valid for an hour.
func (a *Authority) IssueTo(tb testing.TB, key crypto.Signer, subject pkix.Name) *tls.Certificate {
	tb.Helper()
	now := time.Now()
	return a.certify(tb, key, &x509.Certificate{Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)})
}

// certify makes the certificate of a server or client.
func (a *Authority) certify(tb testing.TB, key crypto.Signer, template *x509.Certificate) *tls.Certificate {
	tb.Helper()
	a.serial++
	template.SerialNumber = big.NewInt(1 + a.serial)
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf := sign(tb, template, a.Cert, key.Public(), a.Key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// Pool trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Cert)
	return p
}

func sign(tb testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

// ECDSA returns a new key.
func ECDSA(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// rsaKey is made once: it takes a second on a slow machine.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// RSA returns a key of 2048 bits, the same each time.
func RSA(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := rsaKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// Write puts PEM blocks into a file of the test and returns its path.
func Write(tb testing.TB, name string, blocks ...*pem.Block) string {
	tb.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	return WriteText(tb, name, string(text))
}

// WriteText puts a text into a file of the test and returns its path.
func WriteText(tb testing.TB, name, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// CertBlock is the PEM block of a certificate.
func CertBlock(c *x509.Certificate) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw} }

// KeyBlock is the PEM block of a key, in PKCS #8.
func KeyBlock(tb testing.TB, key crypto.Signer) *pem.Block {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// Revoke returns a revocation list of the authority, valid to a time, as a PEM block.
func (a *Authority) Revoke(tb testing.TB, until time.Time, certs ...*x509.Certificate) *pem.Block {
	tb.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: until.Add(-48 * time.Hour), NextUpdate: until}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Cert, a.Key)
	if err != nil {
		tb.Fatal(err)
	}
	return &pem.Block{Type: "X509 CRL", Bytes: der}
}

// Replace gives a file other contents in one step, as what renews certificates does.
func Replace(tb testing.TB, file string, blocks ...*pem.Block) {
	tb.Helper()
	if err := os.Rename(Write(tb, "new", blocks...), file); err != nil {
		tb.Fatal(err)
	}
}

// Intermediate returns an authority that a has certified.
func (a *Authority) Intermediate(tb testing.TB, name string) *Authority {
	tb.Helper()
	a.serial++
	sub := &Authority{Key: ECDSA(tb)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: a.Cert.NotBefore, NotAfter: a.Cert.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	sub.Cert = sign(tb, template, a.Cert, sub.Key.Public(), a.Key)
	return sub
}
