package tlsterm

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// LoadPair reads a certificate with its chain, and its key, from PEM files,
// which may be one and the same. Errors name the file and what is wrong with it.
func LoadPair(certFile, keyFile string) (*tls.Certificate, error) {
	chain, err := loadChain(certFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", certFile, err)
	}
	key, err := loadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", keyFile, err)
	}
	switch at := belongsTo(key, chain); at {
	case 0:
	case -1:
		return nil, fmt.Errorf("key %s: does not belong to the certificate in %s", keyFile, certFile)
	default:
		return nil, fmt.Errorf("certificate %s: the key belongs to certificate %d of the file; want that one first", certFile, at+1)
	}
	cert := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

// loadChain reads all certificates of a PEM file.
func loadChain(file string) ([]*x509.Certificate, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	var others []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			others = append(others, block.Type)
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the file: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, missing("CERTIFICATE", others)
	}
	return chain, nil
}

// loadKey reads the first private key of a PEM file.
func loadKey(file string) (crypto.Signer, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	var others []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("is encrypted; want a key without a passphrase")
		case block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY"):
			return parseKey(block.Bytes)
		}
		others = append(others, block.Type)
	}
	return nil, missing("PRIVATE KEY", others)
}

// parseKey reads a key in any of the forms that PEM files hold.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("not a key in PKCS #1, SEC 1 or PKCS #8 form: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign; want an RSA, ECDSA or Ed25519 key", key)
	}
	return signer, nil
}

// belongsTo returns the index of the certificate that was made for key, or -1.
func belongsTo(key crypto.Signer, chain []*x509.Certificate) int {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return -1
	}
	for i, c := range chain {
		if public.Equal(c.PublicKey) {
			return i
		}
	}
	return -1
}

// missing says that a PEM file lacks a block, and what it holds instead.
func missing(want string, others []string) error {
	if len(others) == 0 {
		return fmt.Errorf("want a PEM file with a %s block, got no PEM block", want)
	}
	return fmt.Errorf("want a PEM file with a %s block, got %s", want, strings.Join(others, ", "))
}

// readFile is os.ReadFile with an error that leaves the naming of the file to
// the caller.
func readFile(file string) ([]byte, error) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: the operator names the file, in the configuration
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return nil, path.Err
	case err != nil:
		return nil, err
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("is empty")
	default:
		return data, nil
	}
}
