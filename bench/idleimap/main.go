// Command idleimap holds thousands of IMAP4 sessions open through casbah, as
// phones do that wait for mail, and then has casbah stop.
//
//	idleimap -casbah FILE [-time 10m] [-conns 5000] [-engine WORD]
//
// It starts casbah in front of two servers of the lab, which live in this program
// as the clients do: everything is on loopback. Half of the sessions come in clear
// to a tcp VIP, half in TLS to a tls VIP; half of each wait in IDLE, the others are
// silent. At the end of the time every session must answer once more. Then SIGTERM
// must bring each a BYE and the end of its connection, not a reset, and casbah
// must exit with 0. The exit code is 1 if anything of this does not hold.
//
// Memory is what casbah has more of for each session than before: of
// /proc/PID/smaps_rollup, once all sessions of a kind are open and again at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"casbah/bench/command"
)

func main() {
	os.Exit(command.Main("idleimap", run)) //nolint:forbidigo // main alone exits
}

// options are what the command line says.
type options struct {
	binary string
	time   time.Duration
	settle time.Duration // from the last login to a figure of memory
	conns  int
	engine string // empty: the one that casbah chooses
}

func parse(args []string, out io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("idleimap", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&o.binary, "casbah", "./casbah", "casbah `file`")
	fs.DurationVar(&o.time, "time", 10*time.Minute, "how long sessions are idle")
	fs.DurationVar(&o.settle, "settle", 5*time.Second, "from the last login to a figure of memory")
	fs.IntVar(&o.conns, "conns", 5000, "sessions")
	fs.StringVar(&o.engine, "engine", "reactor", "`word` for engine in casbah.toml")
	if err := command.Parse(fs, args); err != nil {
		return nil, err
	}
	if o.conns < 4 || o.time < 0 || o.time > longest || o.settle < 0 {
		return nil, fmt.Errorf("-conns of at least 4, -time of 0 to %v and a -settle that is not negative are wanted", longest)
	}
	return o, nil
}

// longest is how long a session may be idle: casbah's profile ends it after 31
// minutes.
const longest = 30 * time.Minute

// run is the whole program. It returns an error if casbah broke a rule.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if err := enoughFiles(o.conns); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "casbah-idle-")
	if err != nil {
		return err
	}
	if err := hold(ctx, o, dir, out); err != nil {
		return fmt.Errorf("%w\nwhat casbah wrote is kept in %s", err, dir)
	}
	return os.RemoveAll(dir)
}

// enoughFiles checks that two files may be open for each session, both in casbah
// and here. Go's programs raise their own limit as far as they may.
func enoughFiles(conns int) error {
	const spare = 500
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if want := uint64(2*conns + spare); l.Cur < want {
		return fmt.Errorf("%d sessions take %d open files, %d are allowed: ulimit -n, or -conns", conns, want, l.Cur)
	}
	return nil
}
