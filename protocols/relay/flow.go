package relay

import (
	"math"
	"net/netip"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// unansweredTime is how long a flow may last that no server has answered. Its
// client may not even be who it says.
const unansweredTime = int64(10 * time.Second)

// Flow is the protocol of one flow of a udp VIP: who serves it is chosen once, as
// for a connection. It is bound when its server has answered, not before: whoever
// sends from made-up addresses fills no table.
type Flow struct {
	vip     *route.VIP
	profile *route.Profile
	client  netip.AddrPort
	d       route.Decision
	rq      route.Request

	attempts int
	in, out  int64 // octets from and to the client

	began   int64
	last    int64 // a datagram passed last
	touched int64 // the binding was touched last

	heard  bool // a server has answered
	bound  bool // the one of now has
	failed bool // the last one could not be reached
}

// lookEvery is how often a flow looks at what is ordered of its server.
const lookEvery = int64(time.Second)

// NewFlow returns the protocol of a flow that begins at the VIP that cur points
// to, which has one profile. It takes the snapshot in force, and keeps it.
func NewFlow(cur *Current, c engine.Conn) *Flow {
	vip := cur.Load().VIP
	return &Flow{
		vip: vip, profile: vip.Profiles[0], client: c.Remote,
		rq: route.Request{Source: c.Remote.Addr().Unmap(), Dest: c.Local.Addr().Unmap()},
	}
}

// Choose implements engine.Flow.
func (f *Flow) Choose(now int64) *balance.Endpoint {
	f.profile.Decide(now, &f.rq, &f.d)
	f.vip.Note(now, f.client, &f.rq, &f.d)
	if cause, chosen := f.chosen(); !chosen {
		f.vip.Refuse(cause)
		f.d.Release(now) // the next datagram may try them all again
		return nil
	}
	f.attempts++
	return f.d.Endpoint
}

// chosen takes a place at the server that was chosen, or says why there is none.
// Nobody waits: who sends datagrams sends them again.
func (f *Flow) chosen() (route.Cause, bool) {
	switch {
	case f.d.Outcome == route.Full, f.d.Outcome == route.Chosen && !f.d.Begin():
		return route.CauseQueueFull, false
	default:
		return route.CauseNoServer, f.d.Outcome == route.Chosen
	}
}

// Unreached implements engine.Flow.
func (f *Flow) Unreached(now int64) {
	f.d.Avoid(now)
	f.bound, f.failed = false, true
}

// Sent implements engine.Flow.
func (f *Flow) Sent(now int64, n int) {
	f.last = now
	f.in += int64(n)
	f.vip.Counters.In.Add(uint64(n))
}

// Answered implements engine.Flow.
func (f *Flow) Answered(now int64, n int) {
	f.last = now
	f.out += int64(n)
	f.vip.Counters.Out.Add(uint64(n))
	if !f.bound {
		f.d.Bind(now)
		f.touched = now
		f.heard, f.bound, f.failed = true, true, false
	}
}

// Dropped implements engine.Flow.
func (f *Flow) Dropped() { f.vip.Counters.Dropped.Add(1) }

// Tick implements engine.Flow.
func (f *Flow) Tick(now int64) (next int64) {
	if f.began == 0 {
		f.began, f.last = now, now
	}
	until := f.idleUntil()
	if !f.heard {
		until = min(until, f.began+unansweredTime)
	}
	if now >= until {
		return 0
	}
	if !f.bound {
		return until
	}
	if o := f.d.Order(); now >= min(o.Leaves(0), o.Closes()) {
		return 0 // its next datagram finds another server
	}
	if now >= f.touched+touchEvery {
		f.touched = now
		f.d.Touch(now)
	}
	return min(until, f.touched+touchEvery, now+lookEvery)
}

// idleUntil returns when the flow has been idle for too long; never if its
// profile sets no time.
func (f *Flow) idleUntil() int64 {
	if f.profile.IdleTimeout <= 0 {
		return math.MaxInt64
	}
	return f.last + int64(f.profile.IdleTimeout)
}

// Close implements engine.Flow.
func (f *Flow) Close(now int64, why engine.Ending) {
	f.record(now, f.ending(why))
	f.d.Release(now)
}

// Abandon gives back what the flow holds of a server; see engine.Abandon.
func (f *Flow) Abandon() { f.d.Release(max(f.last, f.began)) }

// ending returns the word of the access record.
func (f *Flow) ending(why engine.Ending) route.End {
	switch {
	case why == engine.Killed:
		return route.EndKill
	case why == engine.Evicted:
		return route.EndRefused
	case f.failed:
		return route.EndServer
	case f.heard:
		return route.EndIdle
	case f.attempts == 0:
		return route.EndNoServer
	default:
		return route.EndTimeout
	}
}

// record counts the flow and hands its access record to the log.
func (f *Flow) record(now int64, end route.End) {
	r := records.Get().(*route.Record) //nolint:forcetypeassert // the pool holds nothing else
	*r = route.Record{
		VIP:      f.vip.Name,
		Profile:  f.profile.Name,
		Client:   f.client,
		Source:   f.rq.Source,
		Relayed:  true,
		In:       f.in,
		Out:      f.out,
		Begin:    f.began,
		Finish:   now,
		End:      end,
		Attempts: f.attempts,
	}
	if f.d.Profile != nil { // else it ended before a decision
		r.Server, r.Step, r.Why = f.d.Server(), f.d.Step(), f.d.Why()
	}
	f.vip.CountRelayed(r)
	records.Put(r)
}
