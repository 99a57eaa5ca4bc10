package tlsterm

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// Expiry is when a certificate ends, and for which names.
type Expiry struct {
	Names    []string // in lower case, sorted
	NotAfter time.Time
}

// Expiries returns the ends of all certificates, the soonest first.
func (c *Certs) Expiries() []Expiry {
	s := c.set.Load()
	if s == nil {
		return nil
	}
	list := make([]Expiry, len(s.all))
	for i, cert := range s.all {
		list[i] = Expiry{Names: names(cert), NotAfter: cert.Leaf.NotAfter}
	}
	slices.SortStableFunc(list, func(a, b Expiry) int { return a.NotAfter.Compare(b.NotAfter) })
	return list
}

// Valid returns an error if cert has expired at the time now or is not valid
// yet. That is a warning: clients may accept it, and a VIP with an expired
// certificate serves more of them than a VIP that does not start.
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
