package node

import (
	"fmt"

	"casbah/route"
)

// clash is what is told of a cookie that has the name of one of casbah's own.
type clash struct {
	vip, profile, server, cookie string
	set                          bool // the server made it
}

// clashQueue is how many clashes may wait to be told of; each VIP has one a minute.
const clashQueue = 16

// String names everything but the value, which may be a secret of the server's.
func (c clash) String() string {
	if c.set {
		return fmt.Sprintf("vip %s: server %s sets a cookie %s in profile %s, which is the name of casbah's own: "+
			"browsers keep one of the two; give the step insert_cookie another name", c.vip, c.server, c.cookie, c.profile)
	}
	return fmt.Sprintf("vip %s: a client of profile %s, served by %s, brings a cookie %s that casbah did not make for it: "+
		"somebody else uses the name, or the passphrase has changed and cookie_passphrase_old_files lacks the old one",
		c.vip, c.profile, c.server, c.cookie)
}

// watchClashes has the requests of v tell of clashes, without waiting for anybody.
func (n *Node) watchClashes(v *builtVIP) {
	clashes := &v.route.Counters.Clashes
	v.route.Clashed = func(r *route.Record) {
		if !clashes.Due(r) {
			return
		}
		select {
		case n.clashes <- clash{vip: r.VIP, profile: r.Profile, server: r.Server, cookie: r.Clash, set: r.ClashSet}:
		default: // the counter has it
		}
	}
}

// keepTelling logs clashes, splits and faults of identity until the node stops.
func (n *Node) keepTelling() {
	for {
		select {
		case <-n.background.Done():
			return
		case c := <-n.clashes:
			n.warn("cookie", c.String())
		case s := <-n.splits:
			n.warn("rpc", splitText(s))
		case f := <-n.foreign:
			n.fault(f.At, "identity", foreignText(f))
		}
	}
}
