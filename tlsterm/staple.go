package tlsterm

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// mostStaple is the longest staple that is taken, in octets: it is part of each
	// full handshake.
	mostStaple = 16 << 10

	// clockSlack is how far the clock of a responder may be ahead.
	clockSlack = 5 * time.Minute
)

// staple is what an authority says of one certificate, to be shown with it (RFC
// 6066, Section 8).
type staple struct {
	raw         []byte
	from, until time.Time
}

// readStaple reads what a responder says of the leaf. It must be good, in force at
// the time now, about this certificate, and signed by who issued it, or by whom
// that has named for it (RFC 6960, Section 4.2.2.2).
func readStaple(raw []byte, leaf, issuer *x509.Certificate, now time.Time) (*staple, error) {
	if len(raw) > mostStaple {
		return nil, fmt.Errorf("the answer is longer than %d octets", mostStaple)
	}
	r, err := ocsp.ParseResponseForCert(raw, leaf, issuer)
	if err != nil {
		return nil, fmt.Errorf("the answer is refused: %w", err)
	}
	if by := r.Certificate; by != nil && !bytes.Equal(by.Raw, issuer.Raw) {
		switch {
		case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return nil, errors.New("the answer is signed by a certificate that is not for this")
		case now.Before(by.NotBefore.Add(-clockSlack)) || now.After(by.NotAfter):
			return nil, errors.New("the answer is signed by a certificate that is not valid now")
		}
	}
	switch {
	case r.Status == ocsp.Revoked:
		return nil, fmt.Errorf("the authority has revoked the certificate on %s", r.RevokedAt.Format(time.RFC3339))
	case r.Status != ocsp.Good:
		return nil, errors.New("the authority does not know the certificate")
	case r.NextUpdate.IsZero():
		return nil, errors.New("the answer does not say how long it holds")
	case !r.NextUpdate.After(r.ThisUpdate):
		return nil, errors.New("the answer ends before it begins")
	case r.ThisUpdate.After(now.Add(clockSlack)):
		return nil, fmt.Errorf("the answer holds from %s, which is to come", r.ThisUpdate.Format(time.RFC3339))
	case !r.NextUpdate.After(now):
		return nil, fmt.Errorf("the answer was good until %s", r.NextUpdate.Format(time.RFC3339))
	}
	return &staple{raw: raw, from: r.ThisUpdate, until: r.NextUpdate}, nil
}

// mustStaple is the feature of TLS by which a certificate asks clients to refuse it
// without a staple: an extension with the number of status_request (RFC 7633).
var mustStaple = []int{1, 3, 6, 1, 5, 5, 7, 1, 24}

// needsStaple reports whether clients are told to refuse the certificate without a
// staple.
func needsStaple(leaf *x509.Certificate) bool {
	at := slices.IndexFunc(leaf.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(mustStaple) })
	return at >= 0 && bytes.Contains(leaf.Extensions[at].Value, []byte{0x02, 0x01, 0x05}) // INTEGER 5
}

// issuerOf returns who issued the leaf of a chain.
func issuerOf(cert *tls.Certificate) (*x509.Certificate, error) {
	if len(cert.Certificate) < 2 {
		return nil, errors.New("the file has no certificate of the issuer, without which a staple cannot be checked")
	}
	issuer, err := x509.ParseCertificate(cert.Certificate[1])
	if err == nil {
		err = cert.Leaf.CheckSignatureFrom(issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("the second certificate of the file is not the issuer: %w", err)
	}
	return issuer, nil
}
