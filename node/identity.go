package node

import (
	"fmt"
	"time"

	"casbah/route"
)

// foreignQueue is how many faults of identity may wait to be told of; each VIP has
// one in ten seconds.
const foreignQueue = 16

// IdentityStatus says how connections to servers that carry who their client is fare.
type IdentityStatus struct {
	Relogins uint64 // credentials of another user on one of them
	Faults   uint64 // see route.Identities
}

func identityStatus(c *route.Counters) IdentityStatus {
	return IdentityStatus{Relogins: c.Identities.Relogins.Load(), Faults: c.Identities.Faults.Load()}
}

// foreignText says what was about to happen, and that it did not.
func foreignText(f route.Foreign) string {
	as := "a connection that never carried an identity"
	if f.Pinned {
		as = "the client's own"
	}
	return fmt.Sprintf("vip %s: profile %s: a request from %s was about to leave on a connection to %s that was taken for %s and is not: "+
		"both were closed and nothing was sent. This is a fault of casbah's own: report it", f.VIP, f.Profile, f.Client, f.Server, as)
}

// watchForeign has the requests of v tell of such faults, without waiting for anybody.
func (n *Node) watchForeign(v *builtVIP) {
	v.route.Faulted = func(f route.Foreign) {
		select {
		case n.foreign <- f:
		default: // the counter has it
		}
	}
}

// fault is warn for what casbah itself has done wrong.
func (n *Node) fault(now int64, kind, text string) {
	n.events.add(time.Unix(0, now), kind, text)
	n.about(kind).Error().Str("event", kind).Msg(text)
}
