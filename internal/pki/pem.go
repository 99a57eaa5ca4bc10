package pki

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// pem is Pair of PEM files.
func (c *Contents) pem() (*tls.Certificate, error) {
	chain, certProblem := Certificates(c.files.Cert, c.cert)
	key, keyErr := c.pemKey()
	var all Problems
	if certProblem != nil {
		all = append(all, certProblem)
	}
	if p, ok := errors.AsType[Problems](keyErr); ok {
		all = append(all, p...)
	}
	if len(all) > 0 {
		return nil, all
	}
	file := c.files.Key
	if file == "" {
		file = c.files.Cert
	}
	switch at := belongsTo(key, chain); at {
	case 0:
		return pair(key, chain), nil
	case -1:
		return nil, Problems{{Key, "the private key of " + c.files.Cert, file + ", which is that of another certificate"}}
	default:
		return nil, Problems{{
			Certificate, "the certificate of the key first, then those that issued it",
			fmt.Sprintf("%s with it as number %d", c.files.Cert, at+1),
		}}
	}
}

// pair puts a key and its chain together.
func pair(key crypto.Signer, chain []*x509.Certificate) *tls.Certificate {
	cert := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert
}

// Certificates reads all certificates of a PEM text that stood in file.
func Certificates(file string, data []byte) ([]*x509.Certificate, *Problem) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &Problem{
				Want: "a PEM file with a certificate",
				Got:  fmt.Sprintf("%s: certificate %d of the file: %s", file, len(chain)+1, strings.TrimPrefix(err.Error(), "x509: ")),
			}
		}
		chain = append(chain, c)
	}
	switch {
	case len(chain) == 0:
		return nil, &Problem{Want: "a PEM file with a certificate", Got: file + ", which holds none"}
	case torn(data):
		return nil, tornProblem(file)
	}
	return chain, nil
}

// torn reports whether a PEM text has a block that cannot be read, as where it is
// being written or the disk was full. What is missing then would not be missed: a
// chain without its end, fewer authorities, fewer revoked certificates.
func torn(data []byte) bool {
	whole := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		whole++
	}
	const begin = "\n-----BEGIN "
	begun := bytes.Count(data, []byte(begin))
	if bytes.HasPrefix(data, []byte(begin[1:])) {
		begun++
	}
	return begun > whole
}

func tornProblem(file string) *Problem {
	return &Problem{Want: "a PEM file whose blocks are whole", Got: file + ", of which one is cut off or broken"}
}

// pemKey reads the first private key. The error is Problems.
func (c *Contents) pemKey() (crypto.Signer, error) {
	file, data := c.files.Key, c.key
	if file == "" {
		file, data = c.files.Cert, c.cert
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch {
		case block.Headers["DEK-Info"] != "":
			return nil, Problems{{Key, "a private key in PKCS #8 form (openssl pkcs8 -topk8)", file + ", which is encrypted in the old form of OpenSSL"}}
		case block.Type == "ENCRYPTED PRIVATE KEY":
			key, err = decryptKey(block.Bytes, c.phrase(), mostWork)
			if errors.Is(err, errPassphrase) {
				return nil, c.locked(file)
			}
		case block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY"):
			key, err = parseKey(block.Bytes)
		default:
			continue
		}
		if err == nil {
			key, err = signer(key)
		}
		if err != nil {
			return nil, Problems{{Key, "a PEM file with a private key", file + ": " + err.Error()}}
		}
		return key.(crypto.Signer), nil
	}
	if c.files.Key == "" {
		return nil, Problems{{Key, "a PEM file with a private key", "nothing"}}
	}
	return nil, Problems{{Key, "a PEM file with a private key", file + ", which holds none"}}
}

// parseKey reads a key in any of the forms that PEM files hold.
func parseKey(der []byte) (any, error) {
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
	return key, nil
}

// signer returns key if TLS can do with it.
func signer(key any) (crypto.Signer, error) {
	if s, ok := key.(crypto.Signer); ok {
		return s, nil
	}
	return nil, fmt.Errorf("a %T cannot sign; want an RSA, ECDSA or Ed25519 key", key)
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

// Signed reports whether one of the authorities has signed a revocation list.
func Signed(list *x509.RevocationList, authorities []*x509.Certificate) bool {
	return slices.ContainsFunc(authorities, func(c *x509.Certificate) bool { return list.CheckSignatureFrom(c) == nil })
}

// RevocationLists reads all lists of a text that stood in file: PEM, or one in DER.
func RevocationLists(file string, data []byte) ([]*x509.RevocationList, *Problem) {
	const want = "a PEM or DER file with a revocation list"
	ders := [][]byte{data}
	if !bytes.HasPrefix(data, []byte{0x30}) {
		if torn(data) {
			return nil, tornProblem(file)
		}
		ders = nil
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "X509 CRL" {
				ders = append(ders, block.Bytes)
			}
		}
	}
	var lists []*x509.RevocationList
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err == nil && len(list.Raw) < len(der) {
			err = errors.New("something stands behind the list")
		}
		if err != nil {
			return nil, &Problem{Want: want, Got: file + ": " + strings.TrimPrefix(err.Error(), "x509: ")}
		}
		lists = append(lists, list)
	}
	if len(lists) == 0 {
		return nil, &Problem{Want: want, Got: file + ", which holds none"}
	}
	return lists, nil
}
