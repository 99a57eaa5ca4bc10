package node

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"casbah/tlsterm"
)

const (
	// certificatesEvery is how often the files of certificates are read again, so
	// that one that is renewed is in force without a reload.
	certificatesEvery = 30 * time.Second

	// remindEvery is how often is said again what stays wrong with a certificate.
	remindEvery = 24 * time.Hour
)

// certificates remembers what was said of them.
type certificates struct {
	mu   sync.Mutex           // one look at a time; guards the field below
	said map[string]time.Time // when something was said last
}

// keepCertificates looks at the certificates until the node stops.
func (n *Node) keepCertificates() {
	n.every(certificatesEvery, func() { n.RefreshCertificates(time.Now()) })
}

// RefreshCertificates reads again the files of certificates, authorities and
// revocation lists in force, puts in force what has changed, tells of that and of
// what cannot be used, and warns of what ends soon. The node does it every 30
// seconds, and on reload.
func (n *Node) RefreshCertificates(now time.Time) {
	c := &n.certificates
	c.mu.Lock()
	defer c.mu.Unlock()
	snap := n.snap.Load()
	before := c.said
	c.said = make(map[string]time.Time)
	for _, v := range snap.vips {
		if v.certs == nil {
			continue
		}
		where := "vip " + v.conf.Name
		n.tellChanges(where, v.certs.Refresh(now))
		for _, s := range n.certificatesOf(v, now) {
			p := &s.Pair
			n.remind(before, where+": "+p.File, p.Fingerprint+p.Level.String(), judged(p, now), now)
			n.remind(before, where+": "+p.File, p.Fingerprint+" staple", unstapled(p), now)
		}
		if v.asks == nil {
			continue
		}
		n.tellChanges(where, v.asks.Refresh(now))
		if late := v.asks.Overdue(now); !late.IsZero() {
			n.remind(before, where+": "+v.conf.TLS.ClientCRL, late.String(),
				"should have had a successor on "+late.Format(time.RFC3339)+"; it counts on, without those who were revoked since", now)
		}
	}
	var told []string
	for key, t := range snap.trusts {
		where := "pool " + key.pool
		for _, change := range t.Refresh(now) {
			if id := where + change.File; !slices.Contains(told, id) {
				told = append(told, id)
				n.tellChanges(where, []tlsterm.Change{change})
			}
		}
	}
}

// tellChanges tells of files that have changed.
func (n *Node) tellChanges(where string, changes []tlsterm.Change) {
	for _, c := range changes {
		if c.Err != nil {
			n.warn("certificate", fmt.Sprintf("%s: %s: %v", where, c.File, c.Err))
		} else {
			n.event("certificate", fmt.Sprintf("%s: %s: %s", where, c.File, c.Text))
			n.adviser.again()
			n.stapleSoon()
		}
	}
}

// judged says what is wrong with a certificate, or will be soon; empty: nothing.
func judged(p *tlsterm.Pair, now time.Time) string {
	end := p.NotAfter.Format(time.RFC3339)
	switch p.Level {
	case tlsterm.LevelGood:
		return ""
	case tlsterm.LevelNotYet:
		return "is not valid before " + p.NotBefore.Format(time.RFC3339)
	case tlsterm.LevelExpired:
		return "expired on " + end
	case tlsterm.LevelAwaited:
		return "has not come yet: clients are shown another certificate of the VIP, or get no handshake"
	case tlsterm.LevelNotice, tlsterm.LevelWarning, tlsterm.LevelCritical:
	}
	return fmt.Sprintf("%s: expires on %s, in %d days", p.Level, end, p.NotAfter.Sub(now)/(24*time.Hour))
}

// unstapled says why clients refuse a certificate that demands a staple; empty: they
// do not.
func unstapled(p *tlsterm.Pair) string {
	st := p.Staple
	if st == nil || !st.Required || !st.Until.IsZero() {
		return ""
	}
	return "clients refuse it: it demands an OCSP staple (must-staple), and there is none" + because(st.Error)
}

func because(text string) string {
	if text == "" {
		return " yet"
	}
	return ": " + text
}

// remind warns of something about a certificate, unless that is empty: when it is of
// a new kind, and then once a day.
func (n *Node) remind(before map[string]time.Time, where, kind, text string, now time.Time) {
	if text == "" {
		return
	}
	key := where + " " + kind
	at, said := before[key]
	if !said || now.Sub(at) >= remindEvery {
		at = now
		n.warn("certificate", where+": "+text)
	}
	n.certificates.said[key] = at
}
