package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"casbah/admin"
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
	// Until the process ends: a hangup that nobody takes would kill it amid a drain.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return runNode(ctx, conf, log, hangups, func() {})
}

// runNode serves conf until ctx ends, then drains. It reloads at each of
// hangups. Ready is called once every listener is open.
func runNode(ctx context.Context, conf *profiles.Config, log zerolog.Logger, hangups <-chan os.Signal, ready func()) error {
	n, err := node.New(conf, node.Options{Log: log, Version: version})
	if err != nil {
		return err
	}
	adminNet, err := listenOn(ctx, "admin.listen", conf.Admin.Listen)
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return closeAfter(adminNet, err)
	}
	// The page outlives the drain, so that an operator sees what is still open.
	pageCtx, stopPage := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPage()
	pageDone := make(chan error, 1)
	go func() { pageDone <- admin.Serve(pageCtx, adminNet, newAdmin(n, conf, log)) }()
	log.Info().Str("page", "http://"+adminNet.Addr().String()+"/").Msg("admin listener is open")
	ready()
	reloadAtEach(ctx, hangups, n, log)
	n.Stop(conf.DrainTimeout) //nolint:contextcheck // ctx has ended: that is why it stops
	stopPage()
	return <-pageDone
}

// reloadAtEach reloads at each of hangups until ctx ends.
func reloadAtEach(ctx context.Context, hangups <-chan os.Signal, n *node.Node, log zerolog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := n.Reload(ctx); err != nil {
				log.Error().Err(err).Msg("the configuration in force stays")
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

func closeAfter(ln net.Listener, err error) error {
	ln.Close() // the error that matters is err
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
