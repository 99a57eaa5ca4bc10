package node

import (
	"context"
	"time"
)

// killGrace is how long connections get to go once they are told to.
const killGrace = 2 * time.Second

// Stop ends the node: it turns not ready, closes its listeners, lets open
// requests finish for at most drain, closes what is left, saves the bindings and
// flushes the log. A second call does nothing.
func (n *Node) Stop(drain time.Duration) {
	if n.stopping.Swap(true) {
		return
	}
	begun := time.Now()
	n.event("stop", "stopping: listeners close, open requests may finish")
	n.shutAll()
	n.engine.Drain()
	n.flows.Drain()
	if left := n.wait(drain); left > 0 {
		n.log.Warn().Int("connections", left).Str("open", n.stillOpen()).Dur("after", time.Since(begun)).
			Msg("the drain timeout is over: open connections are closed")
		n.engine.Kill()
		n.flows.Kill()
		n.wait(killGrace)
	}
	n.cancel()
	n.work.Wait()
	n.engine.Close()
	n.flows.Close()
	n.leaveTable()
	if err := n.closeAccess(); err != nil {
		n.log.Error().Err(err).Msg("the access log cannot be closed")
	}
	n.log.Info().Dur("took", time.Since(begun)).Msg("stopped")
}

// shutAll closes all listeners, behind a reload that is under way. No reload
// begins after it.
func (n *Node) shutAll() {
	n.reload.Lock()
	defer n.reload.Unlock()
	for _, e := range n.entries {
		e.conf.Listen = nil
		n.shut(e)
		n.leaving.add(e.conf.Name, e.listener)
	}
}

// wait returns when no connection or flow is open or limit is over, and how many are left.
func (n *Node) wait(limit time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go n.reportLeaving(done)
	if n.engine.Wait(ctx) == nil && n.flows.Wait(ctx) == nil {
		return 0
	}
	return n.engine.Open() + n.flows.Open()
}
