package node

import (
	"context"
	"time"
)

// ReopenLog has the access log go on in a new file of the same name: whoever has
// renamed the one in use rotates it so, and loses no record. On an error the old
// one stays in use.
func (n *Node) ReopenLog(ctx context.Context) error {
	if n.access == nil {
		return nil
	}
	return n.access.reopen(ctx)
}

// recordsLost tells that the access log cannot be written.
func (n *Node) recordsLost(err error) {
	n.throttle.tell(time.Now(), "access "+err.Error(), n.log.Error().Err(err), "access records are lost")
}
