package node

import (
	"context"

	"casbah/engine"
	"casbah/engine/netconn"
)

// drivers are two engines that are one to the node: that of the configuration, and
// that of connections of HTTP/2, which need a goroutine each. They share the limits.
type drivers struct {
	engine.Engine
	streams *netconn.Engine
}

// withStreams puts an engine for HTTP/2 beside the one that open makes.
func withStreams(conf *engine.Config, open func(engine.Config) (engine.Engine, error)) (*drivers, error) {
	conf.Sources = &engine.Sources{Limit: conf.MaxPerSource}
	d := new(drivers)
	main, streams := *conf, *conf
	main.Others = func() int { return d.streams.Open() }
	streams.Others = func() int { return d.Engine.Open() }
	d.streams = netconn.New(streams)
	var err error
	d.Engine, err = open(main)
	return d, err
}

// Open implements engine.Engine.
func (d *drivers) Open() int { return d.Engine.Open() + d.streams.Open() }

// Panics implements engine.Engine.
func (d *drivers) Panics() uint64 { return d.Engine.Panics() + d.streams.Panics() }

// Review implements engine.Engine.
func (d *drivers) Review() {
	d.Engine.Review()
	d.streams.Review()
}

// Drain implements engine.Engine.
func (d *drivers) Drain() {
	d.Engine.Drain()
	d.streams.Drain()
}

// Kill implements engine.Engine.
func (d *drivers) Kill() {
	d.Engine.Kill()
	d.streams.Kill()
}

// Wait implements engine.Engine.
func (d *drivers) Wait(ctx context.Context) error {
	if err := d.Engine.Wait(ctx); err != nil {
		return err
	}
	return d.streams.Wait(ctx)
}

// Close implements engine.Engine.
func (d *drivers) Close() {
	d.Engine.Close()
	d.streams.Close()
}
