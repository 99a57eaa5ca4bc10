package tlsterm

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"casbah/internal/pki"
)

// ClientAuth is what a VIP asks of the certificates of its clients.
type ClientAuth struct {
	watched
	required bool
	ca, crl  string // files; crl: empty without
	trust    atomic.Pointer[clientTrust]
}

// clientTrust is what the files of a ClientAuth say.
type clientTrust struct {
	digest  [sha256.Size]byte // of the files
	roots   *x509.CertPool
	revoked map[serial]struct{}
	until   time.Time // the first of the lists has a successor then; zero: there is none
}

// trustMark begins the entry of the files by which a client's certificate was verified,
// beside that of the identity.
const trustMark = "casbah-trust-1:"

func (t *clientTrust) entry() []byte { return append([]byte(trustMark), t.digest[:]...) }

// agrees reports whether what extra says of such files is about these.
func (t *clientTrust) agrees(extra [][]byte) bool {
	return !slices.ContainsFunc(extra, func(entry []byte) bool {
		by, ok := bytes.CutPrefix(entry, []byte(trustMark))
		return ok && !bytes.Equal(by, t.digest[:])
	})
}

// serial names a certificate by its issuer and number.
type serial struct{ issuer, number string }

func serialOf(issuer []byte, number *big.Int) serial { return serial{string(issuer), number.String()} }

// LoadClientAuth reads who may issue certificates of clients, and, from the file
// crl unless it is empty, which of these hold no more.
func LoadClientAuth(required bool, ca, crl string) (*ClientAuth, error) {
	a := &ClientAuth{watched: watched{file: ca}, required: required, ca: ca, crl: crl}
	if crl != "" {
		a.file += ", " + crl
	}
	return a, a.load(a.read)
}

// Refresh reads the files again. They hold for the handshakes that follow, those
// that resume a session too.
func (a *ClientAuth) Refresh(time.Time) []Change { return a.look(a.read) }

func (a *ClientAuth) read() (reading, error) {
	ca, p := pki.Read(a.ca)
	var crl []byte
	if p == nil && a.crl != "" {
		crl, p = pki.Read(a.crl)
	}
	if p != nil {
		return reading{}, fmt.Errorf("want %s, got %s", p.Want, p.Got)
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%d %s%s", len(ca), ca, crl))
	return reading{digest, func() (string, error) {
		t, err := a.parse(ca, crl)
		if err != nil {
			return "", err
		}
		t.digest = digest
		a.trust.Store(t)
		return fmt.Sprintf("in force, with %d revoked certificates", len(t.revoked)), nil
	}}, nil
}

// parse makes of the contents what handshakes need. A list counts if one of the
// authorities has signed it.
func (a *ClientAuth) parse(ca, crl []byte) (*clientTrust, error) {
	authorities, p := pki.Certificates(a.ca, ca)
	if p != nil {
		return nil, fmt.Errorf("want %s, got %s", p.Want, p.Got)
	}
	t := &clientTrust{roots: x509.NewCertPool(), revoked: make(map[serial]struct{})}
	for _, c := range authorities {
		t.roots.AddCert(c)
	}
	if a.crl == "" {
		return t, nil
	}
	lists, p := pki.RevocationLists(a.crl, crl)
	if p != nil {
		return nil, fmt.Errorf("want %s, got %s", p.Want, p.Got)
	}
	for i, list := range lists {
		if !pki.Signed(list, authorities) {
			return nil, fmt.Errorf("want a list that an authority of %s has signed, got %s, list %d of %s", a.ca, a.crl, i+1, list.Issuer)
		}
		for _, e := range list.RevokedCertificateEntries {
			t.revoked[serialOf(list.RawIssuer, e.SerialNumber)] = struct{}{}
		}
		if end := list.NextUpdate; !end.IsZero() && (t.until.IsZero() || end.Before(t.until)) {
			t.until = end
		}
	}
	return t, nil
}

// Overdue returns since when a revocation list should have had a successor; zero:
// none is late at the time now. A list that is late goes on to count: to refuse
// everybody would be worse than to miss who was revoked since.
func (a *ClientAuth) Overdue(now time.Time) time.Time {
	if t := a.trust.Load(); !t.until.IsZero() && now.After(t.until) {
		return t.until
	}
	return time.Time{}
}

// Apply has c ask for certificates. They are verified by a itself, not by
// crypto/tls, so that new files hold without a new configuration, and so that a
// resumed session is worth no more than the certificate that it began with.
func (a *ClientAuth) Apply(c *tls.Config) {
	c.ClientAuth = tls.RequestClientCert
	if a.required {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	c.ClientCAs = a.trust.Load().roots // named to clients, which choose by that what they show, and no more
	c.VerifyConnection = a.verify
}

// mostSubject is the longest subject that a client's certificate may have, in octets
// of its text: a server may be told it in a header.
const mostSubject = 2048

var (
	errRevoked     = errors.New("the certificate of the client, or of who issued it, is revoked")
	errLongSubject = errors.New("the subject of the client's certificate is too long to be passed on")
)

// verify is called at the end of each handshake.
func (a *ClientAuth) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return nil // whoever must show one is refused before
	}
	t, leaf := a.trust.Load(), s.PeerCertificates[0]
	o := x509.VerifyOptions{
		Roots: t.roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(o)
	switch {
	case err != nil:
		return fmt.Errorf("the certificate of the client: %w", err)
	case !slices.ContainsFunc(chains, t.holds):
		return errRevoked
	case len(leaf.Subject.String()) > mostSubject:
		return errLongSubject // cut off, it could be somebody else's
	}
	return nil
}

// holds reports whether nothing of a chain is revoked.
func (t *clientTrust) holds(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		_, revoked := t.revoked[serialOf(c.RawIssuer, c.SerialNumber)]
		return revoked
	})
}
