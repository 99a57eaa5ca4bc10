// Package tlsterm holds what casbah knows of TLS: the certificates that a VIP
// shows, by server name, the keys of its session tickets, and the verified
// connections to the servers.
package tlsterm

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// errNoCertificate ends the handshakes of a VIP that has no certificate yet.
var errNoCertificate = errors.New("tlsterm: no certificate is set")

// Certs holds the certificates of one VIP. Handshakes read it without a lock,
// and those under way keep the set they began with. The zero value has none.
type Certs struct {
	set   atomic.Pointer[certSet]
	pairs []*pair // that set was made of; none after Set alone

	staples *Staples // nil: nothing is stapled
	serial  uint64   // of those that are in the set
}

// Source is where a certificate of a VIP comes from.
type Source struct {
	Files
	Awaited bool             // the files may lack: the VIP shows its other certificates until somebody puts them there
	Held    *tls.Certificate // what was in force, shown until the files can be used and are valid; nil: nothing
}

// keeps reports whether what was in force goes on in the place of cert, as Refresh
// would have it.
func (s *Source) keeps(cert *tls.Certificate, now time.Time) bool {
	return s.Held != nil && Valid(cert, now) != nil && Valid(s.Held, now) == nil
}

// LoadCerts reads the certificates of a VIP from their files. Staples has what is
// shown with them; nil: nothing is.
func LoadCerts(sources []Source, staples *Staples) (*Certs, error) {
	c, now := &Certs{staples: staples}, time.Now()
	for _, s := range sources {
		p, err := loadPair(s.Files)
		switch {
		case err != nil && !s.Awaited && s.Held == nil:
			return nil, err
		case err != nil, s.keeps(p.cert.Load(), now):
			p = awaitPair(s.Files, s.Held)
		}
		c.pairs = append(c.pairs, p)
	}
	for _, cert := range c.Stapled() {
		staples.recall(cert, now)
	}
	c.assemble()
	return c, nil
}

// Refresh reads the files again and puts in force what has changed: new handshakes
// show it, those under way and open connections are not disturbed. A pair that
// cannot be used, is half-written or not valid at the time now changes nothing. One
// Refresh runs at a time.
func (c *Certs) Refresh(now time.Time) []Change {
	var all []Change
	for _, p := range c.pairs {
		all = append(all, p.refresh(now)...)
	}
	if c.staples != nil {
		c.staples.expire(now)
	}
	if len(all) > 0 || c.staples != nil && c.serial != c.staples.serial.Load() {
		c.assemble()
	}
	return all
}

// Stapled returns the certificates whose staples are wanted.
func (c *Certs) Stapled() []*tls.Certificate {
	if c.staples == nil {
		return nil
	}
	return c.held()
}

// Of returns the certificate in force of the pair in that file; nil: there is none.
func (c *Certs) Of(file string) *tls.Certificate {
	for _, p := range c.pairs {
		if p.file == file {
			return p.cert.Load()
		}
	}
	return nil
}

// Files returns the files of the certificates, as Of takes them.
func (c *Certs) Files() []string {
	files := make([]string, len(c.pairs))
	for i, p := range c.pairs {
		files[i] = p.file
	}
	return files
}

// held returns the certificates of the pairs, but for those that are awaited.
func (c *Certs) held() []*tls.Certificate {
	var certs []*tls.Certificate
	for _, p := range c.pairs {
		if cert := p.cert.Load(); cert != nil {
			certs = append(certs, cert)
		}
	}
	return certs
}

// assemble puts the certificates of the pairs in force.
func (c *Certs) assemble() {
	certs := c.held()
	if c.staples != nil {
		c.serial = c.staples.serial.Load() // before they are taken: what comes meanwhile is taken by the next
		for i := range certs {
			certs[i] = c.staples.dress(certs[i])
		}
	}
	c.Set(certs)
}

// certSet is one set of certificates, ready to be looked up.
type certSet struct {
	all      []*tls.Certificate
	byName   map[string][]*tls.Certificate // lower-case name, or "*.example.org"; the preferred first
	fallback []*tls.Certificate            // for a name that is not ours, and for none
}

// Set replaces all certificates, which have a Leaf and are not changed afterwards.
// Each serves the names that stand in it; the first is the default.
func (c *Certs) Set(certs []*tls.Certificate) {
	s := &certSet{all: slices.Clone(certs), byName: make(map[string][]*tls.Certificate)}
	for _, cert := range certs {
		for _, name := range names(cert) {
			s.byName[name] = append(s.byName[name], cert)
		}
	}
	for _, list := range s.byName {
		slices.SortStableFunc(list, func(a, b *tls.Certificate) int { return cmp.Compare(rank(a), rank(b)) })
	}
	if len(certs) > 0 {
		s.fallback = s.siblings(certs[0])
	}
	c.set.Store(s)
}

// Get serves tls.Config.GetCertificate: the certificate with the exact name, or
// else with a wildcard for it, or else the default, which is one of the two
// answers to a foreign name that RFC 6066, Section 3 allows. Of several for one
// name it is the first that the client can use, ECDSA before RSA.
func (c *Certs) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := c.set.Load()
	if s == nil || len(s.all) == 0 {
		return nil, errNoCertificate
	}
	list := s.lookup(strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")))
	if len(list) == 1 {
		return list[0], nil // common case
	}
	// Only the key and the versions are in question: a default certificate need
	// not hold the name.
	nameless := *hello
	nameless.ServerName = ""
	for _, cert := range list {
		if nameless.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return list[0], nil // the handshake fails, and says what the two sides lack
}

// lookup returns the certificates for a name in lower case; never none.
func (s *certSet) lookup(name string) []*tls.Certificate {
	if list := s.byName[name]; list != nil {
		return list
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if list := s.byName["*."+parent]; list != nil {
			return list
		}
	}
	return s.fallback
}

// siblings returns cert and those that share its first name: its twin with
// another kind of key, for clients that cannot use the one.
func (s *certSet) siblings(cert *tls.Certificate) []*tls.Certificate {
	if own := names(cert); len(own) > 0 {
		return s.byName[own[0]]
	}
	return []*tls.Certificate{cert}
}

// names returns the host names in a certificate, in lower case. The common name
// counts where no other stands, as in certificates that old servers make.
func names(cert *tls.Certificate) []string {
	list := cert.Leaf.DNSNames
	if cn := cert.Leaf.Subject.CommonName; len(list) == 0 && cn != "" {
		list = []string{cn}
	}
	lower := make([]string, len(list))
	for i, name := range list {
		lower[i] = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	slices.Sort(lower)
	return slices.Compact(lower)
}

// rank orders certificates for one name: ECDSA signs many times faster than RSA, and
// what clients refuse, as it lacks the staple that it says it has, comes last.
func rank(cert *tls.Certificate) int {
	if len(cert.OCSPStaple) == 0 && needsStaple(cert.Leaf) {
		return 3
	}
	switch cert.Leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return 0
	case ed25519.PublicKey:
		return 1
	default:
		return 2
	}
}
