package node

import "time"

// rotateEvery is how often session tickets get a new key. The two keys before
// it are still read, so that a ticket resumes for at least twice as long.
const rotateEvery = 8 * time.Hour

// keepRotating gives every VIP new ticket keys until the node stops. It looks at
// the certificates as well: one may end while casbah runs.
func (n *Node) keepRotating() {
	tick := time.NewTicker(rotateEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.background.Done():
			return
		case <-tick.C:
			n.tickets.Rotate()
			snap := n.snap.Load()
			for _, v := range snap.vips {
				if v.tls != nil {
					n.tickets.Apply(v.tls)
				}
			}
			n.judgeCertificates(snap)
		}
	}
}
