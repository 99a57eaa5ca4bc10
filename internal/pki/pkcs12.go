package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

var (
	errPassphrase = errors.New("another passphrase")
	errWork       = errors.New("deriving its key takes more work than is done")
)

// pkcs12 is Pair of a PKCS #12 file, as Windows and Exchange export.
func (c *Contents) pkcs12() (*tls.Certificate, error) {
	const want = "a PKCS #12 file with a certificate and its private key"
	file := c.files.Cert
	if c.files.Key != "" && c.files.Key != file {
		return nil, Problems{{Key, "this key left out (" + file + " is PKCS #12 and holds its key)", c.files.Key}}
	}
	cert, err := decodePKCS12(c.cert, c.phrase(), mostWork)
	switch {
	case errors.Is(err, errPassphrase):
		return nil, c.locked(file)
	case err != nil:
		return nil, Problems{{Certificate, want, file + ": " + err.Error()}}
	}
	return cert, nil
}

// decodePKCS12 reads the key of a PKCS #12 file and the certificates that lead from
// it to its authority, in their order. The order of the file says nothing: every
// program has its own. It does at most work to derive keys.
func decodePKCS12(data []byte, passphrase string, work int) (cert *tls.Certificate, err error) {
	if !affordable(data, work) {
		return nil, errWork
	}
	defer contain(&err)
	private, first, others, err := pkcs12.DecodeChain(data, passphrase)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, errPassphrase
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "pkcs12: "))
	}
	key, err := signer(private)
	if err != nil {
		return nil, err
	}
	all := append([]*x509.Certificate{first}, others...)
	at := belongsTo(key, all)
	if at < 0 {
		return nil, errors.New("its key is that of none of its certificates")
	}
	return pair(key, climb(all, at)), nil
}

// climb returns the certificate at index at, the one that issued it, and so on. Of
// several of one issuer, which was certified anew, it is the one that lasts longest.
// The root is left out, as clients have it, unless it is all there is.
func climb(all []*x509.Certificate, at int) []*x509.Certificate {
	chain := []*x509.Certificate{all[at]}
	for range all {
		last, next := chain[len(chain)-1], (*x509.Certificate)(nil)
		for _, c := range all {
			if !slices.Contains(chain, c) && issued(c, last) && (next == nil || c.NotAfter.After(next.NotAfter)) {
				next = c
			}
		}
		if next == nil {
			break
		}
		chain = append(chain, next)
	}
	return chain
}

// issued reports whether by, which is no root, has issued c.
func issued(by, c *x509.Certificate) bool {
	return string(by.RawSubject) == string(c.RawIssuer) && string(by.RawSubject) != string(by.RawIssuer) && c.CheckSignatureFrom(by) == nil
}

// decryptKey opens a PKCS #8 key. It does at most work to derive its key.
func decryptKey(der []byte, passphrase string, work int) (key crypto.PrivateKey, err error) {
	if !affordable(der, work) {
		return nil, errWork
	}
	if passphrase == "" {
		return nil, errPassphrase
	}
	defer contain(&err)
	key, err = pkcs8.ParsePKCS8PrivateKey(der, []byte(passphrase))
	switch {
	case err == nil:
		return key, nil
	case strings.HasPrefix(err.Error(), "pkcs8: incorrect password"):
		return nil, errPassphrase
	default:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "pkcs8: "))
	}
}

// contain turns a panic of a library over a broken file into an error.
func contain(err *error) { //nolint:gocritic // ptrToRefParam: it sets the caller's result
	if value := recover(); value != nil {
		*err = fmt.Errorf("it is broken: %v", value)
	}
}
