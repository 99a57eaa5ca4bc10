package node

import (
	"runtime"

	"casbah/engine"
	"casbah/engine/reactor"
)

// openReactor makes the driver of event loops. Each loop keeps one processor of
// the Go runtime busy under load, so there is one more for all else: probes, the
// page, the log, the collector.
func openReactor(conf engine.Config, loops int) (engine.Engine, error) {
	if loops == 0 {
		loops = reactor.Cores()
	}
	runtime.GOMAXPROCS(loops + 1)
	return reactor.New(reactor.Config{Config: conf, Loops: loops})
}
