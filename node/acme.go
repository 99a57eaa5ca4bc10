package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"casbah/internal/acmecert"
	"casbah/profiles"
	"casbah/route"
	"casbah/tlsterm"
)

// challenges are what ACME servers may ask the VIPs for now.
type challenges struct {
	http route.Challenges
	tls  tlsterm.Challenges
}

// AnswerHTTP serves acmecert.Solver.
func (c *challenges) AnswerHTTP(token, answer string) { c.http.Answer(token, answer) }

// AnswerTLS serves acmecert.Solver.
func (c *challenges) AnswerTLS(name string, cert *tls.Certificate) { c.tls.Answer(name, cert) }

// Clear serves acmecert.Solver.
func (c *challenges) Clear() {
	c.http.Clear()
	c.tls.Clear()
}

// acmeAccount returns the account of a configuration.
func acmeAccount(conf *profiles.Config) *acmecert.Config {
	a := &conf.ACME
	return &acmecert.Config{
		Directory: a.Directory, Email: a.Email, Challenge: a.Challenge, CA: a.CA,
		BindingID: a.EABKeyID, Binding: a.EABKeyFile, StateDir: conf.StateDir,
	}
}

// sources returns where the certificates of a VIP come from. What is in force stays
// until there is something better.
func (b *builder) sources(v *profiles.VIP) []tlsterm.Source {
	account := acmeAccount(b.conf)
	all := make([]tlsterm.Source, len(v.Certificates))
	for i := range v.Certificates {
		c := &v.Certificates[i]
		files := tlsterm.Files{Cert: c.Cert, Key: c.Key, Passphrase: c.PassphraseFile}
		if c.ACME {
			spec := acmecert.NewSpec(c.Names, c.KeyType)
			files = tlsterm.Files{Cert: account.File(&spec)}
		}
		all[i] = tlsterm.Source{Files: files, Awaited: c.ACME, Held: b.held(files.Cert)}
	}
	for i := range all {
		if s := &all[i]; s.Awaited && s.Held == nil {
			s.Held = b.left(v.Name, all, &v.Certificates[i])
		}
	}
	return all
}

// left returns which of the certificates that a VIP shows, and by these sources would
// not any more, is to be shown until another one comes: that with most of its names, and
// best with its kind of key; nil: there is none.
func (l *live) left(vip string, sources []tlsterm.Source, c *profiles.Certificate) (left *tls.Certificate) {
	at := slices.IndexFunc(l.vips, func(v *builtVIP) bool { return v.conf.Name == vip && v.certs != nil })
	if at < 0 {
		return nil
	}
	most := 1 // the kind of key alone is nothing
	certs := l.vips[at].certs
	for _, file := range certs.Files() {
		cert := certs.Of(file)
		if cert == nil || slices.ContainsFunc(sources, func(s tlsterm.Source) bool { return s.Cert == file }) {
			continue
		}
		if n := likeness(cert.Leaf, c); n > most {
			left, most = cert, n
		}
	}
	return left
}

// likeness says how much a certificate has of one that is wanted: two for each name, and
// one for its kind of key.
func likeness(leaf *x509.Certificate, c *profiles.Certificate) (n int) {
	for _, name := range c.Names {
		if leaf.VerifyHostname(name) == nil {
			n += 2
		}
	}
	if (leaf.PublicKeyAlgorithm == x509.RSA) == (c.KeyType == acmecert.RSA) {
		n++
	}
	return n
}

// want has the certificates kept that a configuration names.
func (n *Node) want(conf *profiles.Config) {
	var specs []acmecert.Spec
	for i := range conf.VIPs {
		v := &conf.VIPs[i]
		for j := range v.Certificates {
			if c := &v.Certificates[j]; c.ACME && v.EndsTLS() {
				specs = append(specs, acmecert.NewSpec(c.Names, c.KeyType))
			}
		}
	}
	n.acme.Want(acmeAccount(conf), specs, time.Now())
}

// keepACME gets certificates and renews them until the node stops.
func (n *Node) keepACME(ctx context.Context) {
	n.acme.Run(ctx, func(t acmecert.Told) {
		if t.Err != nil {
			n.warn("acme", fmt.Sprintf("no certificate for %s: %v; tried again at %s",
				strings.Join(t.Names, ", "), t.Err, t.Again.UTC().Format(time.RFC3339)))
			return
		}
		n.event("acme", fmt.Sprintf("the certificate for %s has come; the next one is asked for at %s",
			strings.Join(t.Names, ", "), t.Again.UTC().Format(time.RFC3339)))
		n.RefreshCertificates(time.Now())
	})
}

// What certificates are told of by.
type (
	// Pair is a certificate with its key.
	Pair = tlsterm.Pair
	// StapleStatus is what its authority says of it.
	StapleStatus = tlsterm.StapleStatus
	// ACMEStatus is how it comes.
	ACMEStatus = acmecert.Status
)

// CertificateStatus is a certificate that a VIP shows, or will.
type CertificateStatus struct {
	Pair
	ACME *ACMEStatus // nil: it does not come by ACME
}

// judge corrects what the time that is left says of a certificate that is renewed by
// itself: as long as that works its end is near only once it should have been.
func (s *CertificateStatus) judge(now time.Time) {
	switch s.Level {
	case tlsterm.LevelAwaited:
		s.Names = s.ACME.Names
	case tlsterm.LevelNotice, tlsterm.LevelWarning, tlsterm.LevelCritical:
		if s.ACME.Failures == 0 && (s.ACME.Next.IsZero() || s.ACME.Next.After(now)) {
			s.Level = tlsterm.LevelGood
		}
	case tlsterm.LevelGood, tlsterm.LevelExpired, tlsterm.LevelNotYet:
	}
}

// acmeStatus returns what is known of how the certificate in a file comes.
func (n *Node) acmeStatus(file string) (ACMEStatus, bool) {
	if n.acme == nil {
		return ACMEStatus{}, false
	}
	return n.acme.Status(file)
}

// certificatesOf returns those of a VIP.
func (n *Node) certificatesOf(v *builtVIP, now time.Time) []CertificateStatus {
	if v.certs == nil {
		return nil
	}
	var all []CertificateStatus
	for _, p := range v.certs.Pairs(now) {
		s := CertificateStatus{Pair: p}
		if st, ok := n.acmeStatus(p.File); ok {
			s.ACME = &st
			s.judge(now)
		}
		all = append(all, s)
	}
	return all
}
