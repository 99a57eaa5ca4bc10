package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"casbah/lab"
	"casbah/protocols/rpchttp"
)

// silence is how long connections of Outlook Anywhere are idle, by the environment:
// CASBAH_IDLE=30m is what make soak-outlook takes.
func silence(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CASBAH_IDLE")
	if text == "" {
		return shortWhile
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 30*time.Minute {
		t.Fatalf("CASBAH_IDLE: %q, %v; want a duration of at most 30m, as the profile ends a silent channel after 31m", text, err)
	}
	return d
}

// Connections of Outlook Anywhere outlive silence with the profile as it ships: such
// that say nothing at all, and such that ping on one of their channels, while the
// other one is silent. Then they carry a call, and 200 KB both ways, as if nothing
// had been.
//
// CASBAH_IDLE=30m makes it half an hour.
func TestIdleTunnelsSurvive(t *testing.T) {
	idle := silence(t)
	for _, tt := range []struct {
		name          string
		server, inTwo time.Duration // how often the server pings, and how often the client does; 0: never
	}{
		{"silent", 0, 0},
		{"server-pings", time.Second, 0},
		{"client-pings", 0, idle / 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			modes(t, func(t *testing.T, m mode) {
				interval := tt.server
				if interval == 0 {
					interval = 2 * time.Hour
				}
				r := newRig(t, setup{
					mode: m, pool: `algorithm = "round_robin"`, extra: byConnection,
					lab: lab.Options{AnonymousRPC: true, Servers: 2, Interval: interval},
				})
				const count = 10
				var group sync.WaitGroup
				for range count {
					group.Go(func() {
						if err := livesThrough(r, idle, tt.inTwo); err != nil {
							t.Error(err)
						}
					})
				}
				group.Wait()
				if splits, n := r.splits(); len(splits) > 0 || n != count {
					t.Errorf("%v splits of %d connections; want 0 of %d", splits, n, count)
				}
			})
		})
	}
}

// livesThrough opens a connection, has it idle, and then work.
func livesThrough(r *rig, idle, pings time.Duration) error {
	o, err := newCircuit(r, "1.1", "")
	defer o.hangUp()
	if err != nil {
		return err
	}
	o.within(idle + patience)
	if err := o.call("before"); err != nil {
		return err
	}
	if err := o.rest(idle, pings); err != nil {
		return fmt.Errorf("in the silence: %w", err)
	}
	if err := o.call("after"); err != nil {
		return fmt.Errorf("the first call after %v: %w", idle, err)
	}
	return o.echo(200_000)
}

// within gives both channels that long for all that follows.
func (o *circuit) within(d time.Duration) {
	o.in.within(d)
	o.out.within(d)
}

// rest lets time pass, in which the client pings on IN at each interval, if there is
// one. What the server pings is read as it comes.
func (o *circuit) rest(idle, interval time.Duration) error {
	over := time.After(idle)
	if interval <= 0 {
		interval = 2 * time.Hour
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := o.in.Write(rpchttp.AppendPing(nil)); err != nil {
				return err
			}
		case <-over:
			return nil
		}
	}
}

// echo sends that many octets, nobody knows which, in fragments as Windows makes
// them, while it reads them back.
func (o *circuit) echo(octets int) error {
	const piece = 2900 // octets, in hexadecimal twice as many
	text := make([]byte, octets/2)
	_, _ = rand.Read(text)
	sent := make(chan error, 1)
	var pieces []string
	for rest := hex.EncodeToString(text); len(rest) > 0; {
		n := min(2*piece, len(rest))
		pieces = append(pieces, rest[:n])
		rest = rest[n:]
	}
	go func() {
		for _, p := range pieces {
			if _, err := o.in.Write(requestPDU(p)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i, p := range pieces {
		if err := o.wantPDU(requestPDU(p)); err != nil {
			return fmt.Errorf("piece %d of %d: %w", i, len(pieces), err)
		}
	}
	if err := <-sent; err != nil {
		return fmt.Errorf("IN: %w", err)
	}
	return o.call(strings.Repeat("x", 20))
}
