package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"casbah/lab"
	"casbah/profiles"
)

// maxLabServers is how many servers the lab may have.
const maxLabServers = 16

// runLab runs a simulated array and casbah in front of it, until ctx ends.
// Everything it makes is gone afterwards.
func runLab(ctx context.Context, t *terminal, args []string) error {
	var front lab.Front
	fs := newFlags(t, "lab", "[flags]")
	servers := fs.Int("servers", 3, fmt.Sprintf("how many client access servers, 1 to %d", maxLabServers))
	fs.StringVar(&front.Placement, "placement", "off", "`what` becomes of where mailboxes are: off, observe or prefer")
	access := fs.Bool("access", false, "print the access records")
	fs.StringVar(&front.HTTPS, "https", "127.0.0.1:8443", "`address` of the https VIP")
	fs.StringVar(&front.HTTP, "http", "127.0.0.1:8080", "`address` of the http VIP")
	fs.StringVar(&front.POP3, "pop3", "127.0.0.1:8110", "`address` of the pop3 VIP")
	fs.StringVar(&front.IMAP4, "imap", "127.0.0.1:8143", "`address` of the imap4 VIP")
	fs.StringVar(&front.SMTP, "smtp", "127.0.0.1:8025", "`address` of the smtp VIP")
	fs.StringVar(&front.EPM, "epm", "127.0.0.1:8135", "`address` of the endpoint mapper's VIP")
	fs.StringVar(&front.RPC, "rpc", "127.0.0.1:8136", "`address` of the VIP of RPC Client Access")
	fs.StringVar(&front.AddressBook, "ab", "127.0.0.1:8137", "`address` of the VIP of the address book")
	fs.StringVar(&front.Admin, "admin", "127.0.0.1:8404", "`address` of the page")
	fs.StringVar(&front.Control, "control", "127.0.0.1:8405", "`address` where faults are switched")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *servers < 1 || *servers > maxLabServers {
		fmt.Fprintf(t.err, "casbah lab: -servers: want 1 to %d, got %d\n", maxLabServers, *servers)
		return errUsage
	}
	dir, err := os.MkdirTemp("", "casbah-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a directory of the lab's own, in the temporary one
	if err := furnish(dir, &front); err != nil {
		return err
	}
	front.TokenFile = filepath.Join(dir, "admin.token")
	if err := os.WriteFile(front.TokenFile, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	ctx, stop := untilHangup(ctx)
	defer stop()
	array, err := lab.NewArray(lab.Options{Servers: *servers, Mail: true, RPC: true, Mailboxes: front.Placement != "off"}) //nolint:contextcheck // it listens at once, until Close
	if err != nil {
		return err
	}
	defer array.Close()
	stopControl, err := serveControl(ctx, front.Control, array)
	if err != nil {
		return hintAtFlags(err)
	}
	defer stopControl()
	conf, err := labConfig(dir, array.Config(front), *access)
	if err != nil {
		return mistakes(t, err)
	}
	return hintAtFlags(runNode(ctx, conf, newLogger("warn"), nil, func() {
		fmt.Fprint(t.out, array.Guide(front), "\nThe configuration is in "+conf.Path+". Ctrl-C ends the lab.\n")
	}))
}

// furnish puts the files that casbah needs into dir.
func furnish(dir string, front *lab.Front) (err error) {
	front.StateDir = filepath.Join(dir, "state")
	if front.Cert, front.Key, err = lab.Certificate(dir); err != nil {
		return err
	}
	front.ProbeWords = filepath.Join(dir, "probe.words")
	return os.WriteFile(front.ProbeWords, []byte(lab.ProbePassword+"\n"), 0o600)
}

// hintAtFlags tells how to run the lab beside what has its ports.
func hintAtFlags(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; -https, -http, -pop3, -imap, -smtp, -epm, -rpc, -ab, -admin and -control choose other addresses", err)
	}
	return err
}

// untilHangup ends ctx when the terminal of the lab is closed, unless nohup has
// asked otherwise. The lab has no configuration to reload.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// labConfig writes the configuration where a person can look at it, and loads it.
func labConfig(dir, text string, access bool) (*profiles.Config, error) {
	path := filepath.Join(dir, "casbah.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	conf, _, err := profiles.Load(path)
	if err != nil {
		return nil, err
	}
	conf.Log.Access = "off"
	if access {
		conf.Log.Access = "stderr"
	}
	conf.DrainTimeout = 0
	return conf, nil
}

// serveControl serves the switches of the array's faults.
func serveControl(ctx context.Context, addr string, array *lab.Array) (stop func(), err error) {
	ln, err := listenOn(ctx, "-control", addr)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: array.Control(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln) //nolint:errcheck // it ends by Close
	}()
	return func() {
		srv.Close() // nothing is left to lose
		<-done
	}, nil
}
