//go:build !linux

package node

import (
	"errors"

	"casbah/engine"
)

// openReactor needs epoll.
func openReactor(engine.Config, int) (engine.Engine, error) {
	return nil, errors.New(`engine = "reactor" needs Linux; choose "net"`)
}
