// Command casbah is a protocol-aware load balancer for Microsoft Exchange
// client access.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "devel"

// The exit codes of every command.
const (
	exitDone  = 0
	exitFails = 1 // what was asked does not hold
	exitUsage = 2
)

// errUsage is a mistake in the command line, already reported.
var errUsage = errors.New("usage")

// errFails says no more than that the answer is no; the command has printed why.
var errFails = errors.New("does not hold")

// command is one word behind casbah.
type command struct {
	name, args, about string
	run               func(ctx context.Context, t *terminal, args []string) error
}

// commands in the order of the help.
func commands() []command {
	return []command{
		{"serve", "-c FILE", "run with a configuration file", serve},
		{"check", "-c FILE [-online]", "report every mistake of a configuration file; exit 1 if there is one", check},
		{"lab", "[-servers N]", "run in front of a simulated CAS array on loopback", runLab},
		{"profiles", "[NAME]", "print the profiles that ship", printProfiles},
		{"status", "[-watch|-json]", "what a running casbah is and does", status},
		{"bindings", "[count|delete]", "list, count, look up or delete the bindings of a running casbah", bindings},
		{"drain", "[-firm] SERVER", "have only bound clients use a server; with -firm, move them too", drain},
		{"maintenance", "SERVER", "have nobody use a server", maintenance},
		{"ready", "SERVER", "have everybody use a server again", ready},
		{"timeout", "PROFILE MINUTES", "have the bindings of a profile last that long without use", timeout},
		{"log", "[[PART] LEVEL]", "show or change how much a running casbah logs of a part of it", logLevel},
		{"reload", "", "have a running casbah read its configuration again", reload},
		{"explain", "[METHOD] URL", "say where a request would go, and why", explain},
		{"probe", "[SERVER] [PROFILE]", "ask servers whether they work, and show what they say", probe},
		{"completion", "bash", "print what teaches a shell the commands and their flags", completion},
		{"version", "", "print the version", printVersion},
	}
}

// terminal is what a command talks to.
type terminal struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], &terminal{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run is the whole program. Only main may exit the process.
func run(ctx context.Context, args []string, t *terminal) int {
	if len(args) == 0 {
		usage(t.err)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(t.out)
		return exitDone
	case "-version", "--version":
		args = []string{"version"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return report(t, c.run(ctx, t, args[1:]))
		}
	}
	fmt.Fprintf(t.err, "casbah: no command %q\n\n", args[0])
	usage(t.err)
	return exitUsage
}

// report prints err, where the command has not, and returns the exit code.
func report(t *terminal, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errFails):
		return exitFails
	default:
		fmt.Fprintln(t.err, "casbah:", err)
		return exitFails
	}
}

func usage(w io.Writer) {
	fmt.Fprint(w, "casbah balances Microsoft Exchange client access.\n\nusage:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  casbah %-25s %s\n", c.name+" "+c.args, c.about)
	}
	fmt.Fprint(w, "\ncasbah COMMAND -h tells the flags of a command.\n")
}

// newFlags returns the flags of a command; parse reads them.
func newFlags(t *terminal, name, args string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(t.err)
	fs.Usage = func() {
		fmt.Fprintf(t.err, "usage: casbah %s %s\n", name, args)
		fs.PrintDefaults()
	}
	return fs
}

// parse reads args and allows at most operands words behind the flags.
func parse(fs *flag.FlagSet, args []string, operands int) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if fs.NArg() > operands {
		fmt.Fprintf(fs.Output(), "casbah %s: %q is one word too many\n", fs.Name(), fs.Arg(operands))
		fs.Usage()
		return errUsage
	}
	return nil
}
