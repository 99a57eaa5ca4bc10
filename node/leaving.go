package node

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"casbah/engine"
)

// Leaving is a VIP that takes no connections any more, and how many of those
// that it took are still open: after a reload without it, and on stop.
type Leaving struct {
	VIP         string
	Connections int
}

// leaving holds the listeners that are closed while connections of theirs are
// open.
type leaving struct {
	mu   sync.Mutex // guards the field below; held for a look
	list []departed
}

type departed struct {
	vip      string
	listener *engine.Listener
}

// add takes note of a listener whose sockets are closed; nil was never served.
func (l *leaving) add(vip string, ln *engine.Listener) {
	if ln == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, departed{vip, ln})
}

// open returns what is still open, by VIP, and forgets what is not.
func (l *leaving) open() []Leaving {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(d departed) bool { return d.listener.Open() == 0 })
	var open []Leaving
	for _, d := range l.list {
		n := d.listener.Open()
		if i := slices.IndexFunc(open, func(o Leaving) bool { return o.VIP == d.vip }); i >= 0 {
			open[i].Connections += n
			continue
		}
		open = append(open, Leaving{d.vip, n})
	}
	return open
}

// waitReport is how often a drain says what holds it up.
const waitReport = 5 * time.Second

// reportLeaving logs what holds a drain up, until done is closed.
func (n *Node) reportLeaving(done <-chan struct{}) {
	tick := time.NewTicker(waitReport)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			n.log.Info().Str("open", n.stillOpen()).Msg("waiting for open connections")
		}
	}
}

// stillOpen says what is still open: connections by VIP, and requests and
// relayed connections by profile and server.
func (n *Node) stillOpen() string {
	var parts []string
	for _, o := range n.leaving.open() {
		parts = append(parts, fmt.Sprintf("%s: %d connections", o.VIP, o.Connections))
	}
	if snap := n.snap.Load(); snap != nil {
		for i := range snap.plans {
			p := &snap.plans[i]
			if active := p.service.Active.Load(); active > 0 {
				parts = append(parts, fmt.Sprintf("%s on %s: %d active", p.key.profile, p.key.server, active))
			}
		}
	}
	return strings.Join(parts, ", ")
}
