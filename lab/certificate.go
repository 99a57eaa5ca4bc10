package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long a certificate of the lab is valid, from an hour
// before it was made. Browsers refuse more than 398 days.
const certificateLife = 90 * 24 * time.Hour

// Certificate writes a new self-signed certificate for localhost, 127.0.0.1,
// ::1, *.lab.test and the given names or addresses to lab.pem in dir, and its key
// to lab.key, which the owner alone may read. The certificate is its own
// authority: clients may be told to trust lab.pem.
func Certificate(dir string, names ...string) (cert, key string, err error) {
	certPEM, keyPEM, err := newCertificate(names)
	if err != nil {
		return "", "", fmt.Errorf("lab: certificate: %w", err)
	}
	cert, key = filepath.Join(dir, "lab.pem"), filepath.Join(dir, "lab.key")
	if err := writeNew(key, keyPEM, 0o600); err != nil {
		return "", "", fmt.Errorf("lab: certificate: %w", err)
	}
	if err := writeNew(cert, certPEM, 0o644); err != nil {
		return "", "", fmt.Errorf("lab: certificate: %w", err)
	}
	return cert, key, nil
}

// writeNew replaces a file. It does not write into one that is there, whose mode
// it would keep.
func writeNew(path string, content []byte, mode os.FileMode) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, content, mode)
}

// newCertificate returns a certificate and its key, ECDSA on P-256, in PEM.
func newCertificate(names []string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := certificateTemplate(names)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return certPEM, keyPEM, nil
}

func certificateTemplate(names []string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	from := time.Now().Add(-time.Hour)
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"casbah lab"}, CommonName: "localhost"},
		NotBefore:             from,
		NotAfter:              from.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost", "*." + DNSSuffix},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
			continue
		}
		t.DNSNames = append(t.DNSNames, name)
	}
	return t, nil
}
