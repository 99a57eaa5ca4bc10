package route

import (
	"net/netip"
	"sync/atomic"
)

// Identities are the figures of one VIP about connections that carry who their
// client is. They outlive reloads.
type Identities struct {
	Relogins atomic.Uint64 // credentials of another user on a connection that had carried one
	Faults   atomic.Uint64 // requests that were about to leave on somebody else's connection, and did not
	told     atomic.Int64  // when somebody was told of a fault last, Unix nanoseconds
}

// Foreign is a request that was about to leave on a connection which is not its
// client's: a fault of casbah's own.
type Foreign struct {
	At           int64 // Unix nanoseconds
	VIP, Profile string
	Server       string
	Client       netip.AddrPort
	Pinned       bool // the connection was taken for the client's own; else for one that never carried an identity
}

// foreignEvery is how often somebody is told of such faults at most, in nanoseconds.
// All are counted.
const foreignEvery = 10e9

// Foreign counts f, and tells of it.
func (v *VIP) Foreign(f Foreign) {
	ids := &v.Counters.Identities
	ids.Faults.Add(1)
	last := ids.told.Load()
	if v.Faulted != nil && (last == 0 || f.At-last >= foreignEvery) && ids.told.CompareAndSwap(last, f.At) {
		v.Faulted(f)
	}
}
