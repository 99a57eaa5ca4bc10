// Command soak drives casbah for a long time with all that clients and servers
// do to a balancer, at random, and checks every octet that comes out of it.
//
//	soak [-time 20m] [-seed N] [-workers 24] [-engine WORD] [-loops N] [-relay] [-race=false] [-casbah FILE]
//
// It builds casbah, with the race detector unless told otherwise, and starts it in front of servers of
// its own, which live in this program, as the clients do: everything is on
// loopback. Clients ask on kept connections and in pipelines, over TLS and in
// clear, with bodies of 0 to 8 MiB by length and in chunks; they read and write
// slowly, close their half, reset, leave amid a body, a head or a handshake.
// Servers reset, close and wait at random. The configuration is reloaded all the
// time: two that are valid in turn, and broken ones, which must be refused.
//
// What a body holds follows from the number of its request, so that an octet
// out of place, a body of another request and one that ends early without an
// error are all found, at either end. A request that neither side disturbs must
// be answered right.
//
// From time to time all clients leave. Then casbah must have no connection open,
// and is compared with how it was at the beginning: open files, goroutines where
// /api/v1/status has "goroutines", and over the second half the trend of its
// resident memory. That is not judged of a build with the race detector, which
// keeps some kilobytes of its own for every coroutine that there ever was
// (iter.Pull, on which the reactor runs TLS handshakes): it takes a second run. At the end SIGTERM must make it exit with 0, without a data
// race reported. The exit code is 1 if anything of this does not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"casbah/bench/command"
)

func main() {
	os.Exit(command.Main("soak", run)) //nolint:forbidigo // main alone exits
}

// options are what the command line says.
type options struct {
	time    time.Duration
	rest    time.Duration // from one rest to the next; 0: a fortieth of time
	seed    uint64
	workers int    // clients at work at the same time
	binary  string // casbah; empty: built
	race    bool   // it is built with the race detector
	engine  string // empty: the one that casbah chooses
	loops   int    // 0: not configured
	relay   bool   // with a VIP of type tcp
	growth  int64  // octets of resident memory allowed over the second half
}

func parse(args []string, out io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.DurationVar(&o.time, "time", 20*time.Minute, "how long clients work, rests included")
	fs.DurationVar(&o.rest, "rest", 0, "from one rest of all clients to the next; 0 is a fortieth of -time")
	fs.Uint64Var(&o.seed, "seed", 0, "of what is drawn; 0 draws one, which is printed")
	fs.IntVar(&o.workers, "workers", 24, "clients at work at the same time")
	fs.StringVar(&o.binary, "casbah", "", "casbah `file`; empty builds one")
	fs.BoolVar(&o.race, "race", true, "build with the race detector; memory is not judged then")
	fs.StringVar(&o.engine, "engine", "", "`word` for engine in casbah.toml; empty leaves the key out")
	fs.IntVar(&o.loops, "loops", 0, "loops in casbah.toml; 0 leaves the key out")
	fs.BoolVar(&o.relay, "relay", false, "with a VIP of type tcp")
	growth := fs.Int64("growth", 32, "`MiB` of resident memory that the second half may add")
	if err := command.Parse(fs, args); err != nil {
		return nil, err
	}
	if o.time < time.Second || o.workers < 1 || o.rest < 0 {
		return nil, errors.New("-time of at least 1s, -workers of at least 1 and a -rest that is not negative are wanted")
	}
	if o.rest == 0 {
		o.rest = max(o.time/40, min(o.time/4, 5*time.Second))
	}
	if o.seed == 0 {
		o.seed = rand.Uint64() //nolint:gosec // no secret
	}
	o.growth = *growth << 20
	o.race = o.race && o.binary == ""
	return o, nil
}

// run is the whole program. It returns an error if casbah broke a rule.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "casbah-soak-")
	if err != nil {
		return err
	}
	s, err := prepare(ctx, o, dir, out)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	err = s.soak(ctx)
	if err != nil {
		_ = os.Remove(built(dir)) // it can be built again
		return fmt.Errorf("%w\nwhat casbah wrote is kept in %s", err, s.daemon.log)
	}
	return os.RemoveAll(dir)
}
