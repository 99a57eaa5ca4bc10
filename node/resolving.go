package node

import (
	"context"
	"sync"
	"time"

	"casbah/internal/logs"
)

// resolveAll looks up the servers of snap, all at once. One that cannot be
// found is logged and looked up again later; its services stay down until then.
func (n *Node) resolveAll(ctx context.Context, snap *snapshot) {
	var wg sync.WaitGroup
	for _, e := range snap.endpoints {
		if e.Learned {
			continue
		}
		wg.Go(func() {
			if err := resolve(ctx, e); err != nil {
				n.throttle.tell(time.Now(), "resolve "+e.Target, n.logs.Of(logs.Engine).Warn().Err(err), "the address of a server cannot be found")
			}
		})
	}
	wg.Wait()
}

// keepResolving looks the servers up again until the node stops.
func (n *Node) keepResolving() {
	n.every(resolveEvery, func() { n.resolveAll(n.background, n.snap.Load()) })
}
