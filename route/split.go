package route

import (
	"sync/atomic"

	"casbah/persistence"
)

// SplitCause is what led the two channels of a virtual connection to different
// servers; a closed list.
type SplitCause uint8

// The causes of splits.
const (
	SplitLost    SplitCause = iota // the server of the first channel cannot serve the other one any more
	SplitPinned                    // a channel came on a connection that is tied to another server
	SplitAddress                   // the channels came from different addresses
	SplitUnbound                   // nothing in a request told whose it is: the algorithm chose
	SplitKeys                      // what the two requests showed is bound to different servers
	splitCauses
)

// SplitCauses is how many causes there are.
const SplitCauses = int(splitCauses)

// String returns the cause's word.
func (c SplitCause) String() string {
	return [...]string{"server_lost", "pinned", "addresses", "unbound", "keys"}[c]
}

// RPC are the figures of one VIP about RPC over HTTP. They outlive reloads.
type RPC struct {
	Circuits    Circuits
	Connections atomic.Uint64 // virtual connections whose first channel came
	Channels    atomic.Uint64 // channels that began with a PDU that names one
	Unread      atomic.Uint64 // channels that did not
	Late        atomic.Uint64 // channels that were waited for in vain, so that the head alone decided
	Splits      [splitCauses]atomic.Uint64
	told        [splitCauses]atomic.Int64 // when somebody was told last, Unix nanoseconds
}

// Split is a virtual connection whose channels are on different servers.
type Split struct {
	VIP, Profile string
	First, Other Channel
	Cause        SplitCause
	At           int64 // Unix nanoseconds
}

// splitEvery is how often somebody is told of splits by one cause at most, in
// nanoseconds.
const splitEvery = 3600e9

// SplitDue reports whether somebody is to be told of s: once an hour for each cause.
func (r *RPC) SplitDue(s *Split) bool {
	told := &r.told[s.Cause]
	last := told.Load()
	return (last == 0 || s.At-last >= splitEvery) && told.CompareAndSwap(last, s.At)
}

// Join adds the channel that d decided for to the virtual connection it belongs
// to, which is that of r from now on, and counts. It tells of a split. Leave must
// follow. A channel that is the next one, and replaces another, is no split if the server
// before takes nothing more: any server may have it ([MS-RPCH], Section 3.2.4.5.6.2), so a
// connection moves while its server drains firmly, with nothing cut.
func (d *Decision) Join(now int64, v *VIP, r *Request, out, next bool) (c *Circuit, split bool) {
	rpc := &v.Counters.RPC
	rpc.Channels.Add(1)
	if !d.aside {
		d.Profile.Chain.Join(now, &d.Walk, r)
	}
	ch := Channel{Server: d.Endpoint.Server, Name: d.Endpoint.Name, Out: out, Source: r.Source, Step: d.Step(), Why: d.Why()}
	c, fresh, split := rpc.Circuits.Join(r.Virtual, &ch)
	if fresh {
		rpc.Connections.Add(1)
	}
	if !split { // common case
		return c, false
	}
	s := Split{VIP: v.Name, Profile: d.Profile.Name, First: c.Lead(), Other: ch, At: now}
	if s.Cause = d.splitCause(&s.First, &ch); next && s.Cause == SplitLost {
		c.Move(&ch)
		return c, false
	}
	rpc.Splits[s.Cause].Add(1)
	if v.Split != nil && rpc.SplitDue(&s) {
		v.Split(s)
	}
	return c, true
}

// DecideChannel is Decide for a request whose virtual connection is known. It binds
// that: of two channels that come at the same moment the second follows the first.
func (p *Profile) DecideChannel(now int64, r *Request, d *Decision) {
	p.Decide(now, r, d)
	for range 2 {
		if d.Outcome != Chosen {
			return
		}
		if d.claim(now); !d.Outpaced() { // Commit counts
			return
		}
		p.Decide(now, r, d)
	}
}

// Outpaced reports whether the decision has to be taken anew: see
// persistence.Walk.Outpaced.
func (d *Decision) Outpaced() bool { return d.Walk.Outpaced() }

// splitCause says what led the other channel away from the first one's server.
func (d *Decision) splitCause(first, other *Channel) SplitCause {
	switch {
	case d.pinned:
		return SplitPinned
	case d.Walk.Why == persistence.Rebound, d.aside, d.Standing(first.Server) == persistence.Gone:
		return SplitLost
	case first.Source != other.Source:
		return SplitAddress
	case first.Step == "" || other.Step == "":
		return SplitUnbound
	default:
		return SplitKeys
	}
}
