package tlsterm

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"casbah/internal/pki"
)

// Files names the files of a certificate with its key.
type Files = pki.Files

// pair is a certificate with its key, and the files that it came from.
type pair struct {
	watched
	files Files
	cert  atomic.Pointer[tls.Certificate]
}

// loadPair reads a pair for the first time. One that is not valid now is taken:
// there is none to serve with instead.
func loadPair(f Files) (*pair, error) {
	p := &pair{watched: watched{file: f.Cert}, files: f}
	return p, p.load(func() (reading, error) { return p.read(time.Time{}) })
}

// awaitPair returns a pair whose files lack, cannot be used or are not valid: until
// they are it has the certificate held, or none.
func awaitPair(f Files, held *tls.Certificate) *pair {
	p := &pair{watched: watched{file: f.Cert}, files: f}
	p.cert.Store(held)
	return p
}

// read reads the files. With a time, the certificate must be valid then.
func (p *pair) read(now time.Time) (reading, error) {
	c, err := p.files.Open()
	if err != nil {
		return reading{}, err
	}
	return reading{c.Digest(), func() (string, error) {
		cert, err := c.Pair()
		if err != nil {
			return "", err
		}
		if !now.IsZero() {
			if err := Valid(cert, now); err != nil {
				return "", err
			}
		}
		text := p.renewed(cert)
		p.cert.Store(cert)
		return text, nil
	}}, nil
}

// refresh reads the files again.
func (p *pair) refresh(now time.Time) []Change {
	if _, err := os.Stat(p.files.Cert); p.cert.Load() == nil && errors.Is(err, fs.ErrNotExist) {
		return nil // it is awaited
	}
	return p.look(func() (reading, error) { return p.read(now) })
}

// renewed says what comes with a certificate, and what goes.
func (p *pair) renewed(cert *tls.Certificate) string {
	text := fmt.Sprintf("new certificate for %s, valid to %s, SHA-256 %s",
		strings.Join(names(cert), ", "), cert.Leaf.NotAfter.Format(time.DateOnly), Fingerprint(cert.Leaf))
	before := p.cert.Load()
	if before == nil {
		return text
	}
	lost := slices.DeleteFunc(names(before), func(name string) bool { return slices.Contains(names(cert), name) })
	if len(lost) > 0 {
		text += "; it does not name " + strings.Join(lost, ", ") + " any more"
	}
	return text
}

// Fingerprint returns the SHA-256 of a certificate in hexadecimal, as browsers and
// openssl x509 -fingerprint show it, without colons.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
