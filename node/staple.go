package node

import (
	"context"
	"crypto/tls"
	"time"
)

const (
	// stapleDir is where the answers of responders outlive a restart, in the state
	// directory.
	stapleDir = "ocsp"

	// staplesEvery is how often is looked whether a responder is to be asked.
	staplesEvery = 30 * time.Second
)

// keepStaples has certificates shown with what responders say of them, until the
// node stops.
func (n *Node) keepStaples(ctx context.Context) {
	tick := time.NewTicker(staplesEvery)
	defer tick.Stop()
	for {
		n.refreshStaples(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-n.unstapled:
		case <-tick.C:
		}
	}
}

// refreshStaples asks the responders that are due, and puts in force what they say.
func (n *Node) refreshStaples(ctx context.Context, now time.Time) {
	var certs []*tls.Certificate
	for _, v := range n.snap.Load().vips {
		if v.certs != nil {
			certs = append(certs, v.certs.Stapled()...)
		}
	}
	before := n.live.staples.Serial()
	n.tellChanges("OCSP", n.live.staples.Keep(ctx, certs, now))
	if n.live.staples.Serial() != before {
		n.RefreshCertificates(now)
	}
}

// stapleSoon has the responders of new certificates asked now.
func (n *Node) stapleSoon() {
	select {
	case n.unstapled <- struct{}{}:
	default: // it is about to be done
	}
}
