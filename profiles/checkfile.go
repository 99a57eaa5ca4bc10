package profiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// mostFile is the longest certificate, key or secret file that is read, in octets.
const mostFile = 1 << 20

// file reads a file that p names. Devices and pipes are refused: opening one
// may wait for ever.
func (k *checker) file(p place, path string) ([]byte, bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		k.mistake(p, "a file", words(path+", which is none"))
		return nil, false
	case info.Size() > mostFile:
		k.mistake(p, "a file of at most 1 MiB", words(path+" of "+strconv.FormatInt(info.Size(), 10)+" octets"))
		return nil, false
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path) //nolint:gosec // the operator names the file
	}
	if err != nil {
		k.mistake(p, "a file that can be read", words(path+": "+reason(err)))
		return nil, false
	}
	return data, true
}

// reason cuts the operation and path from a file error: both stand around it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// private notes that a file with a secret is open to everybody.
func (k *checker) private(p place, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		k.note(p, "every user of this machine can read %s", path)
	}
}

// secretFile reads a token or passphrase.
func (k *checker) secretFile(p place, path string) Secret {
	data, ok := k.file(p, path)
	if !ok {
		return ""
	}
	text := strings.TrimSpace(string(data))
	if len(text) < leastSecret {
		k.mistake(p, fmt.Sprintf("a file with at least %d characters in it", leastSecret),
			words(fmt.Sprintf("%s with %d", path, len(text))))
		return ""
	}
	k.private(p, path)
	return Secret(text)
}

// pair reads a certificate and its key, and returns the certificate.
func (k *checker) pair(certPlace place, certFile string, keyPlace place, keyFile string) *x509.Certificate {
	cert, certOK := k.file(certPlace, certFile)
	key, keyOK := k.file(keyPlace, keyFile)
	if certOK {
		certOK = k.chain(certPlace, certFile, cert)
	}
	if keyOK && !hasBlock(key, "PRIVATE KEY") {
		k.mistake(keyPlace, "a PEM file with a private key", words(keyFile+", which holds none"))
		keyOK = false
	}
	if keyOK && (hasBlock(key, "ENCRYPTED PRIVATE KEY") || bytes.Contains(key, []byte("\nDEK-Info:"))) {
		k.mistake(keyPlace, "a private key without a passphrase", words(keyFile+", which is encrypted"))
		keyOK = false
	}
	if !certOK || !keyOK {
		return nil
	}
	both, err := tls.X509KeyPair(cert, key)
	if err != nil {
		k.mistake(keyPlace, "the private key of "+certFile, words(keyFile+": "+strings.TrimPrefix(err.Error(), "tls: ")))
		return nil
	}
	k.private(keyPlace, keyFile)
	return both.Leaf
}

// chain checks that every certificate of a PEM file can be read.
func (k *checker) chain(p place, path string, data []byte) bool {
	if !hasBlock(data, "CERTIFICATE") {
		k.mistake(p, "a PEM file with a certificate", words(path+", which holds none"))
		return false
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			k.mistake(p, "a PEM file with a certificate", words(path+": "+strings.TrimPrefix(err.Error(), "x509: ")))
			return false
		}
	}
	return true
}

// hasBlock reports whether a PEM text has a block of that kind.
func hasBlock(data []byte, kind string) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == kind || strings.HasSuffix(block.Type, " "+kind) {
			return true
		}
	}
	return false
}
