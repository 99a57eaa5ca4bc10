package route

import (
	"slices"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// Profile is one Exchange protocol as one VIP serves it: its rules, its chain,
// and the services of its pool.
type Profile struct {
	Name    string
	Paths   []string // prefixes in lower case, no trailing slash but for "/" alone
	Methods []string // allowed, in upper case; empty allows all but CONNECT and the RPC methods

	ResponseTimeout time.Duration // from the end of the request head to the first response octet, while nothing else moves
	IdleTimeout     time.Duration // between octets, in either direction
	MinBodyRate     int           // octets per second that a request body must keep; 0: no minimum
	Reuse           bool          // reuse = "anonymous": parked upstream connections may serve
	WebSocket       bool          // Upgrade: websocket is passed on

	// HTTPSPort is set on a plain VIP whose clients are sent to https for this
	// profile, and the port that they find it at; 0: they are served.
	HTTPSPort uint16

	Chain      *persistence.Chain
	Candidates []balance.Candidate // the services of the pool, in its order; at least one is no backup
	Algorithm  balance.Algorithm
	PanicBelow int              // percent of services up below which all not in maintenance are used; 0: off
	Backups    balance.Eligible // the candidates that take new clients only while no other one does

	Names   *Names   // for explanations; nil: none is made
	Traffic *Traffic // what is counted of it; nil: its requests count as without a profile

	// Lead is the profile whose health says whether a server is usable for the
	// persistence group; nil where the profile leads itself.
	Lead *Profile
}

// Allows reports whether the profile serves method.
func (p *Profile) Allows(method []byte) bool {
	if len(p.Methods) == 0 {
		return string(method) != "CONNECT" && string(method) != "RPC_IN_DATA" && string(method) != "RPC_OUT_DATA"
	}
	return slices.ContainsFunc(p.Methods, func(m string) bool { return m == string(method) }) // no string is made of method
}

// Up reports whether any service of the profile takes traffic.
func (p *Profile) Up() bool { return p.eligible() != 0 }

// eligible returns the candidates that may be given a client that nothing binds.
func (p *Profile) eligible() balance.Eligible {
	up, open, known := p.survey()
	if p.Backups != 0 {
		return p.backedUp(up, open)
	}
	if !known || p.tooFew(up) {
		return up | open
	}
	return up
}

// tooFew reports whether the ordinary services that are up are fewer than
// panic_below allows.
func (p *Profile) tooFew(up balance.Eligible) bool {
	return p.PanicBelow > 0 && 100*popcount(up&^p.Backups) < p.PanicBelow*(len(p.Candidates)-popcount(p.Backups))
}

// survey returns the candidates that are up, the others that are not in
// maintenance, and whether anything is known of any.
func (p *Profile) survey() (up, open balance.Eligible, known bool) {
	for i := range p.Candidates {
		switch p.Candidates[i].Service.State() {
		case balance.Up:
			up |= 1 << uint(i)
			known = true
		case balance.Unknown:
			open |= 1 << uint(i)
		case balance.Down, balance.Drain:
			open |= 1 << uint(i)
			known = true
		case balance.Maintenance:
			known = true
		}
	}
	return up, open, known
}

func popcount(e balance.Eligible) int {
	n := 0
	for ; e != 0; e &= e - 1 {
		n++
	}
	return n
}

// index returns the candidate on server id, or -1.
func (p *Profile) index(id balance.ServerID) int {
	for i := range p.Candidates {
		if p.Candidates[i].Service.Server.ID == id {
			return i
		}
	}
	return -1
}
