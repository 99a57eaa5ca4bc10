package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/profiles"
)

// told is what systemd is told, in place of which a test listens.
type told struct {
	t    *testing.T
	sock *net.UnixConn
}

func listenForSystemd(t *testing.T) *told {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &told{t, sock}
}

// until returns what is told up to a line, and how often WATCHDOG=1 is among it.
func (d *told) until(line string) (all []string, alive int) {
	d.t.Helper()
	if err := d.sock.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	for buf := make([]byte, 4096); !slices.Contains(all, line); {
		n, err := d.sock.Read(buf)
		if err != nil {
			d.t.Fatalf("%v; told so far: %q; want %q", err, all, line)
		}
		for word := range strings.Lines(string(buf[:n])) {
			if word = strings.TrimSpace(word); word == "WATCHDOG=1" {
				alive++
			}
			all = append(all, word)
		}
	}
	return all, alive
}

// serving runs a node until the test calls stop; orders are signals.
func serving(t *testing.T, access string) (orders chan os.Signal, stop func()) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "casbah.toml")
	front, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	_ = front.Close()
	text := fmt.Sprintf(`state_dir = "state"
drain_timeout = "7s"
server = [{ name = "cas1", address = "127.0.0.1:1" }]
pool = [{ name = "cas", servers = ["cas1"] }]
vip = [{ name = "mail", type = "http", listen = [%q], profiles = ["owa"], pool = "cas" }]
log = { access = %q }
admin = { listen = "127.0.0.1:0", socket = "s" }
`, front.Addr(), access)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, _, err := profiles.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	orders, ended := make(chan os.Signal), make(chan error, 1)
	open := make(chan struct{})
	go func() { ended <- runNode(ctx, conf, zerolog.Nop(), orders, func() { close(open) }) }()
	select {
	case <-open:
	case err := <-ended:
		t.Fatal(err)
	}
	return orders, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// systemd is told of the start, of each reload, of being alive, and of the stop
// with the time that it may take.
func TestSystemdIsTold(t *testing.T) {
	d := listenForSystemd(t)
	t.Setenv("WATCHDOG_USEC", "400000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	orders, stop := serving(t, "off")
	if all, _ := d.until("READY=1"); all[0] != "READY=1" {
		t.Errorf("told %q; want READY=1 first", all)
	}
	orders <- syscall.SIGHUP
	all, _ := d.until("RELOADING=1")
	more, _ := d.until("READY=1")
	if all = append(all, more...); !slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, "MONOTONIC_USEC=") }) {
		t.Errorf("told %q of a reload; want its time", all)
	}
	for range 3 {
		d.until("WATCHDOG=1")
	}
	stop()
	if all, _ = d.until("STOPPING=1"); !slices.Contains(all, "EXTEND_TIMEOUT_USEC=67000000") {
		t.Errorf("told %q of the stop; want the drain and a minute", all)
	}
}

// Where nobody asks, nothing is told, and nothing is waited for.
func TestSystemdIsNotThere(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	orders, stop := serving(t, "off")
	orders <- syscall.SIGHUP
	stop()
}

// While a loop does not answer, systemd is not told that casbah lives.
func TestWatchdogOfALoopThatHangs(t *testing.T) {
	d := listenForSystemd(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	m := manager{zerolog.Nop()}
	m.watch(ctx, func() time.Duration {
		if asked++; asked == 5 {
			cancel()
		}
		return time.Duration(asked-1) * 10 * time.Millisecond // from the third on too late
	})
	m.tell("END=1")
	if _, alive := d.until("END=1"); alive != 2 {
		t.Errorf("told %d times to be alive; want 2", alive)
	}
}

// SIGUSR1 opens the access log again, so does SIGHUP.
func TestAccessLogIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	orders, stop := serving(t, path)
	defer stop()
	for i, order := range []os.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
		if err := os.Rename(path, fmt.Sprint(path, i)); err != nil {
			t.Fatal(err)
		}
		orders <- order
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %v there is no new file", order)
			}
		}
	}
}
