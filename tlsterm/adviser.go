package tlsterm

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Protection is what a directory of the servers asks of Windows logins: whether
// they must be bound to the TLS connection that they come by (Extended
// Protection). A bound login holds a hash of the certificate that the client saw
// (RFC 5929, tls-server-end-point), so it holds through casbah only where the
// servers have the same certificate.
type Protection uint8

// The protections, as Exchange names them.
const (
	ProtectionNone    Protection = iota
	ProtectionAllow              // a login that is bound must be bound right
	ProtectionRequire            // and every login must be bound
)

// String returns the protection's word in the configuration.
func (p Protection) String() string { return [...]string{"none", "allow", "require"}[p] }

// ParseProtection returns the protection of that word; none for any other.
func ParseProtection(word string) Protection {
	switch word {
	case "allow":
		return ProtectionAllow
	case "require":
		return ProtectionRequire
	default:
		return ProtectionNone
	}
}

// Way is what becomes of a client's TLS on the way to the servers.
type Way uint8

// The ways.
const (
	WayPlain     Way = iota // there is none
	WayOffload              // it ends at casbah, and the servers are reached in plain
	WayReencrypt            // it ends at casbah, and the servers are reached by another
	WayBridge               // casbah passes it on
)

// Directory is a profile, and what its directory asks.
type Directory struct {
	Profile string
	Asks    Protection // as configured
	Usual   Protection // as the setup of Exchange leaves it
}

// Answerer is a server, and the certificate that it has shown to casbah.
type Answerer struct {
	Pool, Server string
	Leaf         *x509.Certificate // nil: Err says why it is not known
	Err          error
}

// Terms are what decides whether bound logins work on one VIP.
type Terms struct {
	VIP, Pool   string
	Way         Way
	Directories []Directory
	Shown       []*x509.Certificate // to clients; see Certs.Shown
	Servers     []Answerer          // of the pool; none unless it is reached by TLS
}

// Weight is how grave an Advice is.
type Weight uint8

// The weights.
const (
	Notice  Weight = iota // logins may fail, if the servers ask what they usually do
	Warning               // logins fail for some clients or servers
	Mistake               // every login fails
)

// String returns the weight's word.
func (w Weight) String() string { return [...]string{"notice", "warning", "error"}[w] }

// Advice is what an administrator should know or do.
type Advice struct {
	Weight    Weight
	VIP, Pool string
	Profiles  []string
	Server    string // empty: all of the pool
	Shown     string // fingerprint of what clients see, where the server shows another
	Served    string // fingerprint of what the server shows
	Text      string
}

// Advise judges a VIP, the gravest first.
func Advise(t *Terms) []Advice {
	var all []Advice
	switch t.Way {
	case WayPlain, WayOffload:
		all = t.unbound()
	case WayReencrypt:
		all = append(t.drifted(), t.unknown()...)
	case WayBridge: // clients and servers see the same connection
	}
	slices.SortStableFunc(all, func(a, b Advice) int { return int(b.Weight) - int(a.Weight) })
	return all
}

// asking returns the profiles whose directories ask p, or usually do.
func (t *Terms) asking(p Protection, usual bool) []string {
	var names []string
	for _, d := range t.Directories {
		if !usual && d.Asks == p || usual && d.Asks == ProtectionNone && d.Usual == p {
			names = append(names, d.Profile)
		}
	}
	return names
}

// unbound judges a VIP whose servers see no TLS: no login can be bound there.
func (t *Terms) unbound() []Advice {
	where := "TLS ends at casbah and pool " + t.Pool + " is reached in plain"
	cure := `set upstream_tls = "on" for the pool, with the certificate of the VIP on its servers`
	if t.Way == WayPlain {
		where = "clients come without TLS"
		cure = "serve it on an https VIP"
	}
	var all []Advice
	add := func(w Weight, profiles []string, text string) {
		if len(profiles) > 0 {
			all = append(all, Advice{Weight: w, VIP: t.VIP, Pool: t.Pool, Profiles: profiles, Text: fmt.Sprintf(text, where, cure)})
		}
	}
	add(Mistake, t.asking(ProtectionRequire, false),
		"%s, but the servers require Extended Protection: every Windows login (NTLM, Negotiate) is answered with 401 for ever; %s")
	add(Warning, t.asking(ProtectionAllow, false),
		"%s, and the servers check Extended Protection where a client offers it: Exchange does not support that, and clients that bind their Windows login are answered with 401; %s")
	add(Notice, t.asking(ProtectionRequire, true),
		"%s, which works only if Extended Protection was turned off on the servers, as the configuration says; the setup of Exchange 2019 CU14 and later turns it on: if Windows logins get 401 for ever, %s")
	return all
}

// drifted finds servers whose certificate is not the one that clients see.
func (t *Terms) drifted() []Advice {
	require, allow := t.asking(ProtectionRequire, false), t.asking(ProtectionAllow, false)
	asking := slices.Concat(require, allow)
	if len(asking) == 0 {
		return nil // logins need not be bound: each side may have a certificate of its own
	}
	var harm []string
	if len(require) > 0 {
		harm = append(harm, "every Windows login for "+strings.Join(require, ", "))
	}
	if len(allow) > 0 {
		harm = append(harm, "a Windows login that its client binds for "+strings.Join(allow, ", "))
	}
	var all []Advice
	for i := range t.Servers {
		s := &t.Servers[i]
		if s.Leaf == nil {
			continue
		}
		for _, shown := range t.Shown {
			if shown.Equal(s.Leaf) {
				continue
			}
			all = append(all, Advice{
				Weight: Warning, VIP: t.VIP, Pool: t.Pool, Profiles: asking, Server: s.Server,
				Shown: Fingerprint(shown), Served: Fingerprint(s.Leaf),
				Text: fmt.Sprintf("server %s shows the certificate %s, and clients of the VIP see %s: %s is answered with 401 there, as Extended Protection binds it to the certificate; "+
					"put the same certificate with its key on the VIP and on every server of the pool", s.Server, described(s.Leaf), described(shown), strings.Join(harm, ", and "),
				),
			})
		}
	}
	return all
}

// unknown tells of servers that have shown no certificate, where it matters.
func (t *Terms) unknown() []Advice {
	asking := slices.Concat(t.asking(ProtectionRequire, false), t.asking(ProtectionAllow, false))
	var all []Advice
	for i := range t.Servers {
		if s := &t.Servers[i]; s.Leaf == nil && len(asking) > 0 {
			all = append(all, Advice{
				Weight: Notice, VIP: t.VIP, Pool: t.Pool, Profiles: asking, Server: s.Server,
				Text: fmt.Sprintf("server %s has shown no certificate, so that it is not known whether bound Windows logins work there: %v", s.Server, s.Err),
			})
		}
	}
	return all
}

// described names a certificate for people, and then by its fingerprint.
func described(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	return fmt.Sprintf("%q of %s (SHA-256 %s)", name, c.NotBefore.UTC().Format("2006-01-02"), Fingerprint(c))
}

// Shown returns the certificates that clients may see who ask for hosts, or for
// any name where there are none. With several, it depends on the client's name
// for the VIP, or on the keys that it knows.
func (c *Certs) Shown(hosts []string) []*x509.Certificate {
	s := c.set.Load()
	if s == nil {
		return nil
	}
	list := s.all
	if len(hosts) > 0 {
		list = nil
		for _, h := range hosts {
			list = append(list, s.lookup(h)...)
		}
	}
	var leaves []*x509.Certificate
	for _, cert := range list {
		if !slices.ContainsFunc(leaves, cert.Leaf.Equal) {
			leaves = append(leaves, cert.Leaf)
		}
	}
	return leaves
}
