package node

import "time"

// every calls f at each interval until the node stops.
func (n *Node) every(interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-n.background.Done():
			return
		case <-tick.C:
			f()
		}
	}
}
