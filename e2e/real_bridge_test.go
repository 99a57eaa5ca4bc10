package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// S38: the real openssl resumes sessions of TLS 1.2 by their ID through an
// ssl_bridge VIP: each time at the server that gave it, of three that know nothing
// of each other's.
func TestRealSessionsResumeThroughABridge(t *testing.T) {
	t.Parallel()
	real(t)
	openssl := peer(t, "openssl")
	dir := t.TempDir()
	id := newIdentity(t, dir)
	addresses := freeAddresses(t, 3)
	for _, address := range addresses {
		startOpenSSL(t, openssl, "s_server", "-accept", address, "-cert", id.cert, "-key", id.key, "-tls1_2", "-no_ticket", "-rev")
	}
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			r := newBridge(t, mode{engine: engine}, "", addresses...)
			visit := func(args ...string) string {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := exec.CommandContext(ctx, openssl, append([]string{"s_client", "-connect", r.plain, "-servername", "localhost", "-CAfile", id.cert}, args...)...)
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(in, "hello\n") // the server gives it back reversed
				var text strings.Builder
				for lines := bufio.NewScanner(out); lines.Scan(); {
					fmt.Fprintln(&text, lines.Text())
					if lines.Text() == "olleh" {
						_ = in.Close()
					}
				}
				if err := cmd.Wait(); err != nil || !strings.Contains(text.String(), "olleh") {
					t.Fatalf("openssl %s: %v\n%s", strings.Join(cmd.Args, " "), err, text.String())
				}
				return text.String()
			}
			file := func(n int) string { return filepath.Join(dir, fmt.Sprintf("%s-%d.pem", engine, n)) }
			for n := range 4 {
				if said := visit("-sess_out", file(n)); !strings.Contains(said, "New, TLSv1.2") {
					t.Fatalf("the first handshake is not a new one:\n%s", said)
				}
			}
			for i := range 12 {
				if said := visit("-sess_in", file(i*3%4)); !strings.Contains(said, "Reused, TLSv1.2") {
					t.Errorf("the session is not resumed:\n%s", said)
				}
			}
			records := r.logged(16)
			for i, rec := range records {
				want := "ssl_id"
				if i < 4 {
					want = ""
				}
				if *rec.Step != want || i >= 4 && rec.Server != records[(i-4)*3%4].Server {
					t.Errorf("record %d: step %q to %s; want %q, as at first", i, *rec.Step, rec.Server, want)
				}
			}
		})
	}
}

// startOpenSSL starts a program that ends with the test, and waits until it listens.
func startOpenSSL(t *testing.T, openssl string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, openssl, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "ACCEPT" {
				close(ready)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = in.Close()
		<-done
		_ = cmd.Wait()
	})
	select {
	case <-ready:
	case <-done:
		t.Fatalf("openssl %s has ended", strings.Join(args, " "))
	case <-time.After(patience):
		t.Fatalf("openssl %s does not listen", strings.Join(args, " "))
	}
}
