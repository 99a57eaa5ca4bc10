package node

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"casbah/health"
	"casbah/internal/logs"
)

// partOf is which part of casbah an event of a kind is of; a kind that is not here
// is of none of its own.
var partOf = map[string]logs.Part{
	"health": logs.Health, "acme": logs.TLS, "certificate": logs.TLS, "protection": logs.TLS, "tls": logs.TLS,
	"bindings": logs.Persistence, "cookie": logs.Persistence, "table": logs.Persistence,
	"mapper": logs.RPC, "rpc": logs.RPC, "operator": logs.Operator, "identity": logs.Engine,
}

// about returns the logger for events of the kind.
func (n *Node) about(kind string) *zerolog.Logger { return n.logs.Of(partOf[kind]) }

// Logger returns the logger of a part of casbah, whose level SetLogLevel changes.
func (n *Node) Logger(p logs.Part) zerolog.Logger { return *n.logs.Of(p) }

// LogLevels returns the least level that is logged of each part.
func (n *Node) LogLevels() map[string]string { return n.logs.Levels() }

// SetLogLevel changes the least level that is logged of a part, or of all where
// part is empty, until casbah ends; an empty level is that of the configuration.
func (n *Node) SetLogLevel(part, level string) error {
	if err := n.logs.Set(part, level); err != nil {
		return err
	}
	n.log.Info().Str("event", "log").Interface("levels", n.logs.Levels()).Msg("levels of the log have changed")
	return nil
}

// loggedProbe tells of each answer at the level debug.
type loggedProbe struct {
	health.Probe
	log     *zerolog.Logger
	profile string
	server  string
	depth   string // of the question: shallow or deep
}

// Check asks, and tells what came of it.
func (p *loggedProbe) Check(ctx context.Context) error {
	begun := time.Now()
	err := p.Probe.Check(ctx)
	p.log.Debug().Str("event", "probe").Str("profile", p.profile).Str("server", p.server).Str("probe", p.depth).
		Dur("took", time.Since(begun)).Stringer("reason", health.CauseOf(err)).AnErr("cause", err).Send()
	return err
}

// logged has each answer of p told of; nil stays nil.
func (n *Node) logged(p health.Probe, w *plan, depth string) health.Probe {
	if p == nil {
		return nil
	}
	return &loggedProbe{p, n.logs.Of(logs.Health), w.service.Profile, w.service.Server.Name, depth}
}
