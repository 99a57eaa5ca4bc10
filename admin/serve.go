package admin

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	maxConns   = 256              // on the admin listener; one more is closed
	stopGrace  = 3 * time.Second  // for requests in flight when the listener closes
	answerTime = 30 * time.Second // for a client to take an answer
)

// Serve answers on the listeners, which it closes, until ctx ends; it returns when
// all it started has ended. A node that stops keeps serving until it has drained,
// so that routers see /readyz fail.
func Serve(ctx context.Context, h *Handler, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := server(h)
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	failed := make(chan error, len(listeners))
	for _, ln := range listeners {
		running.Go(func() { failed <- srv.Serve(ln) })
	}
	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("admin: %w", err)
		cancel()
		stop(ctx, srv)
	case <-ctx.Done():
		stop(ctx, srv)
	}
	running.Wait()
	return err
}

// complaints takes the lines that the HTTP server writes about its connections.
type complaints struct{ log zerolog.Logger }

// Write logs one line.
func (c complaints) Write(line []byte) (int, error) {
	c.log.Warn().Str("listener", "admin").Msg(string(bytes.TrimSpace(line)))
	return len(line), nil
}

// server has a limit on everything that a client may do slowly.
func server(h *Handler) *http.Server {
	var open atomic.Int64
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      answerTime, // an event stream sets its own, frame by frame
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       marked,
		ErrorLog:          log.New(complaints{h.options.Log}, "", 0), //nolint:forbidigo // the type that http.Server asks for
		ConnState: func(c net.Conn, s http.ConnState) {
			if _, ok := c.(*net.UnixConn); ok {
				return // strangers at the other door do not keep the operator out of this one
			}
			switch s {
			case http.StateNew:
				if open.Add(1) > maxConns {
					_ = c.Close() // the server notices at its first read
				}
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			default:
			}
		},
	}
}

// stop lets requests in flight end, up to stopGrace.
func stop(ctx context.Context, srv *http.Server) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close() // grace is over: what is still open is cut
	}
}
