package tlsterm

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// Level says how near the end of a certificate is.
type Level uint8

// The levels, from the best.
const (
	LevelGood     Level = iota
	LevelNotice         // ends within 30 days: what renews it should have
	LevelWarning        // within 14 days
	LevelCritical       // within 3 days
	LevelExpired        // clients refuse it
	LevelNotYet         // likewise: it is not valid yet
	LevelAwaited        // there is none yet
)

// String returns the level's word.
func (l Level) String() string {
	return [...]string{"good", "notice", "warning", "critical", "expired", "not_yet", "awaited"}[l]
}

const day = 24 * time.Hour

// LevelOf returns the level of a certificate at the time now.
func LevelOf(leaf *x509.Certificate, now time.Time) Level {
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		return LevelNotYet
	case left < 0:
		return LevelExpired
	case left < 3*day:
		return LevelCritical
	case left < 14*day:
		return LevelWarning
	case left < 30*day:
		return LevelNotice
	default:
		return LevelGood
	}
}

// Pair is what an administrator may ask about a certificate.
type Pair struct {
	File                string
	Names               []string // in lower case, sorted
	NotBefore, NotAfter time.Time
	Key                 string // such as "ECDSA 256" or "RSA 2048"
	Fingerprint         string // see there
	Issuer              string
	Refused             string // why what stands in the files now is not in force; empty: it is
	Level               Level
	Staple              *StapleStatus // nil: none is wanted
}

// Pairs returns the certificates in force at the time now, in the order of the
// configuration.
func (c *Certs) Pairs(now time.Time) []Pair {
	list := make([]Pair, len(c.pairs))
	for i, p := range c.pairs {
		cert := p.cert.Load()
		if cert == nil {
			list[i] = Pair{File: p.file, Refused: p.refusal(), Level: LevelAwaited}
			continue
		}
		list[i] = Pair{
			File: p.file, Names: names(cert), NotBefore: cert.Leaf.NotBefore, NotAfter: cert.Leaf.NotAfter,
			Key: keyWords(cert.Leaf), Fingerprint: Fingerprint(cert.Leaf), Issuer: cert.Leaf.Issuer.String(),
			Refused: p.refusal(), Level: LevelOf(cert.Leaf, now),
			Staple: c.staples.status(cert.Leaf),
		}
	}
	return list
}

// keyWords says what key a certificate is for.
func keyWords(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ECDSA %d", key.Curve.Params().BitSize)
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

// Valid returns an error if cert has expired at the time now or is not valid
// yet. Of the certificates that a VIP starts with, that is a warning: clients may
// accept it, and a VIP with an expired certificate serves more of them than a VIP
// that does not start.
func Valid(cert *tls.Certificate, now time.Time) error {
	switch leaf := cert.Leaf; {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("certificate expired on %s", leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("certificate is not valid before %s", leaf.NotBefore.Format(time.RFC3339))
	default:
		return nil
	}
}
