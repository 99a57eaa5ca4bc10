package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"casbah/admin"
	"casbah/internal/logs"
	"casbah/node"
	"casbah/profiles"
)

func serve(ctx context.Context, t *terminal, args []string) (err error) {
	fs := newFlags(t, "serve", "-c FILE")
	path := fs.String("c", defaultConfig, "configuration `file`")
	profile := fs.String("cpuprofile", "", "write a CPU profile to `file` until the end")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	conf, notes, err := profiles.Load(*path)
	if err != nil {
		return mistakes(t, err)
	}
	log := newLogger(conf.Log.Level)
	for _, n := range notes {
		log.Warn().Msg(n.String())
	}
	stop, err := startProfile(*profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	// Until the process ends: one that nobody takes would kill it amid a drain.
	orders := make(chan os.Signal, 4)
	signal.Notify(orders, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(orders)
	return runNode(ctx, conf, log, orders, func() {})
}

// runNode serves conf until ctx ends, then drains. It takes the orders that obey
// says. Ready is called once every listener is open.
func runNode(ctx context.Context, conf *profiles.Config, log zerolog.Logger, orders <-chan os.Signal, ready func()) error {
	n, err := node.New(conf, node.Options{Log: log, Version: version})
	if err != nil {
		return err
	}
	adminNet, err := listenOn(ctx, "admin.listen", conf.Admin.Listen)
	if err != nil {
		return err
	}
	doors := []net.Listener{adminNet}
	switch socket, err := adminSocket(ctx, conf, log); {
	case err != nil:
		return closeAfter(doors, err)
	case socket != nil:
		doors = append(doors, socket)
	}
	if err := n.Start(ctx); err != nil {
		return closeAfter(doors, err)
	}
	// The page outlives the drain, so that an operator sees what is still open.
	pageCtx, stopPage := context.WithCancel(context.WithoutCancel(ctx))
	var alive sync.WaitGroup
	defer func() { stopPage(); alive.Wait() }()
	pageDone := make(chan error, 1)
	go func() { pageDone <- admin.Serve(pageCtx, newAdmin(n, conf, n.Logger(logs.Admin)), doors...) }()
	log = n.Logger(logs.Admin)
	log.Info().Str("page", "http://"+adminNet.Addr().String()+"/").Msg("admin listener is open")
	ready()
	systemd := manager{log}
	systemd.ready()
	alive.Go(func() { systemd.watch(pageCtx, n.Lag) })
	obey(ctx, orders, n, systemd)
	systemd.stopping(conf.DrainTimeout)
	n.Stop(conf.DrainTimeout) //nolint:contextcheck // ctx has ended: that is why it stops
	stopPage()
	return <-pageDone
}

// obey takes orders until ctx ends: at SIGHUP the access log is opened again and the
// configuration read again, at SIGUSR1 the former alone.
func obey(ctx context.Context, orders <-chan os.Signal, n *node.Node, systemd manager) {
	for {
		select {
		case <-ctx.Done():
			return
		case order := <-orders:
			if err := n.ReopenLog(ctx); err != nil {
				systemd.log.Error().Err(err).Msg("the access log cannot be opened again: the file in use stays")
			}
			if order == syscall.SIGHUP {
				systemd.reloading()
				if err := n.Reload(ctx); err != nil {
					systemd.log.Error().Err(err).Msg("the configuration in force stays")
				}
				systemd.ready()
			}
		}
	}
}

// listenOn opens a listener that key names.
func listenOn(ctx context.Context, key, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}

func closeAfter(doors []net.Listener, err error) error {
	for _, ln := range doors {
		ln.Close() // the error that matters is err
	}
	return err
}

// newLogger logs to stderr: JSON, or lines for people if it is a terminal.
func newLogger(level string) zerolog.Logger {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.DurationFieldUnit = time.Second
	l, err := zerolog.ParseLevel(level)
	if err != nil {
		l = zerolog.InfoLevel // check has refused any other word
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		out := zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: time.TimeOnly}
		return zerolog.New(out).Level(l).With().Timestamp().Logger()
	}
	return zerolog.New(os.Stderr).Level(l).With().Timestamp().Logger()
}
