package route

import (
	"math/bits"

	"casbah/balance"
)

// backedUp returns the candidates that may be given a client that nothing binds,
// of a pool with backups; up are those that are up, open the others that are not
// in maintenance.
//
// Ordinary servers go first, and where too few of them are up panic_below has all
// of them used. With none up the backups that are up are used. Panic is the last
// resort: a server that fails its probes is no match for a backup that does not.
// While nothing is known of any ordinary server, as just after a start, these are
// used, though a backup may have answered first.
func (p *Profile) backedUp(up, open balance.Eligible) balance.Eligible {
	ordinary, backup := up&^p.Backups, up&p.Backups
	switch {
	case ordinary != 0 && p.tooFew(up):
		return (up | open) &^ p.Backups
	case ordinary != 0:
		return ordinary
	case !p.known():
		return open &^ p.Backups
	case backup != 0:
		return backup
	case p.PanicBelow > 0:
		return open
	default:
		return 0
	}
}

// known reports whether anything is known of any ordinary server.
func (p *Profile) known() bool {
	for i := range p.Candidates {
		if p.Backups&(1<<uint(i)) == 0 && p.Candidates[i].Service.State() != balance.Unknown {
			return true
		}
	}
	return false
}

// BacksUp reports whether backups are used, since no ordinary server takes traffic.
func (p *Profile) BacksUp() bool { return p.Backups != 0 && p.eligible()&p.Backups != 0 }

// Panics reports whether so few services are up that all which are not in
// maintenance are used: panic_below is in effect.
func (p *Profile) Panics() bool {
	up, _, known := p.survey()
	if p.Backups != 0 {
		known = p.known() && (up&^p.Backups != 0 || up == 0)
	}
	return known && p.tooFew(up)
}

// standby returns the backups that are up.
func (p *Profile) standby() balance.Eligible {
	var e balance.Eligible
	for rest := p.Backups; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros64(uint64(rest)); p.Candidates[i].Service.State() == balance.Up {
			e |= 1 << uint(i)
		}
	}
	return e
}
