package e2e

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// build is the program as the tests build it, once for all of them.
var build program

// program is a binary of casbah in a directory of its own.
type program struct {
	once sync.Once
	dir  string
	err  error
}

// path builds the program at the first call and returns where it is.
func (p *program) path(tb testing.TB) string {
	tb.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "casbah-e2e-"); p.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		out, err := exec.Command("go", "build", "-o", p.dir+"/casbah", "casbah/cmd/casbah").CombinedOutput()
		if err != nil {
			p.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if p.err != nil {
		tb.Fatal(p.err)
	}
	return filepath.Join(p.dir, "casbah")
}

func (p *program) remove() {
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// daemon is a running `casbah serve`.
type daemon struct {
	t     testing.TB
	mode  mode
	cmd   *exec.Cmd
	log   locked
	conf  string // its casbah.toml
	vip   string // host and port of the VIP
	roots *x509.CertPool
	admin string // URL of the page, without a slash at the end
	// Page asks over one connection that is kept, so that it also works when
	// casbah can accept no other.
	page  *http.Client
	ended chan struct{} // closed when the process has; code is set before
	code  int           // exit code; -1 if a signal ended it
}

// serveConf is what daemons serve: one profile in front of server. The
// first %s is for keys before any table, the last for what the VIP has besides,
// and for tables.
const serveConf = `
%s
state_dir = %q
[log]
access = %q
[admin]
listen = "127.0.0.1:0"
[[server]]
name = "cas1"
address = %q
[[pool]]
name = "cas"
servers = ["cas1"]
[[vip]]
name = "mail"
type = %q
listen = [%q]
profiles = [%q]
pool = "cas"
%s
`

// startDaemon starts the program in front of server and waits until it serves.
// Top are keys before any table; prefix are words before the command, as of a
// shell.
func startDaemon(tb testing.TB, m mode, server, top string, prefix ...string) *daemon {
	tb.Helper()
	d := newDaemon(tb, m, server, daemonText{profile: "calm", top: top, rest: ownProfiles})
	d.launch(prefix)
	return d
}

// daemonText is what differs in the configuration of a daemon.
type daemonText struct {
	profile string
	top     string // keys before any table
	rest    string // tables
}

// newDaemon returns one that stands in front of server once it is launched.
func newDaemon(tb testing.TB, m mode, server string, text daemonText) *daemon {
	tb.Helper()
	dir := tb.TempDir()
	d := &daemon{t: tb, mode: m, conf: filepath.Join(dir, "casbah.toml"), vip: freeAddress(tb), ended: make(chan struct{})}
	kind := "http"
	if m.vip == "tls" {
		id := newIdentity(tb, dir)
		kind, text.rest, d.roots = "https", id.ofVIP()+text.rest, id.roots
	}
	d.write(fmt.Sprintf(serveConf, m.key()+text.top, dir, filepath.Join(dir, "access.log"), server, kind, d.vip, text.profile, text.rest))
	return d
}

// again starts the program anew, once it has ended, with the configuration and
// state that it left.
func (d *daemon) again() *daemon {
	d.t.Helper()
	n := &daemon{t: d.t, mode: d.mode, conf: d.conf, vip: d.vip, roots: d.roots, ended: make(chan struct{})}
	n.launch(nil)
	return n
}

// launch starts the program and waits until it serves.
func (d *daemon) launch(prefix []string) {
	d.t.Helper()
	d.begin(prefix)
	d.until("the server is up", func() bool { return d.get("/healthz/vip/mail") == http.StatusOK })
}

// begin starts the program and waits until its page is there.
func (d *daemon) begin(prefix []string) {
	d.t.Helper()
	words := append(prefix, build.path(d.t), "serve", "-c", d.conf)
	d.cmd = exec.Command(words[0], words[1:]...)
	d.cmd.Stderr = &d.log
	d.page = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go d.wait()
	d.t.Cleanup(d.kill)
	d.until("the page is served", func() bool {
		if m := regexp.MustCompile(`"page":"([^"]*)/"`).FindStringSubmatch(d.log.String()); m != nil {
			d.admin = m[1]
		}
		return d.admin != ""
	})
}

func (d *daemon) wait() {
	defer close(d.ended)
	_ = d.cmd.Wait() // what it says is in ProcessState
	d.code = d.cmd.ProcessState.ExitCode()
}

// kill ends the process if a test left it running.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
	d.page.CloseIdleConnections()
	if d.t.Failed() {
		d.t.Logf("log of casbah:\n%s", d.log.String())
	}
}

func (d *daemon) write(text string) {
	d.t.Helper()
	if err := os.WriteFile(d.conf, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// edit replaces text of the configuration file.
func (d *daemon) edit(old, text string) {
	d.t.Helper()
	was, err := os.ReadFile(d.conf)
	if err != nil || !strings.Contains(string(was), old) {
		d.t.Fatalf("%s does not hold %q: %v", d.conf, old, err)
	}
	d.write(strings.ReplaceAll(string(was), old, text))
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// exits waits for the end of the process and returns its exit code.
func (d *daemon) exits() int {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatal("the process does not end")
	}
	return d.code
}

// running reports whether the process has not ended.
func (d *daemon) running() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// get returns the status of a path of the admin listener; 0 without an answer.
func (d *daemon) get(path string) int {
	resp, err := d.page.Get(d.admin + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is kept
	return resp.StatusCode
}

// daemonStatus is what tests read of /api/v1/status.
type daemonStatus struct {
	Connections int    `json:"connections"`
	ReloadError string `json:"reload_error"`
	Stopping    bool   `json:"stopping"`
	VIPs        []struct {
		Name     string            `json:"name"`
		Accepted int               `json:"accepted"`
		Requests int               `json:"requests"`
		Refused  map[string]uint64 `json:"refused"`
	} `json:"vips"`
	Table struct {
		Bindings int `json:"bindings"`
		Restored int `json:"restored_bindings"`
	} `json:"table"`
}

// status returns what the API tells.
func (d *daemon) status() (s daemonStatus) {
	d.t.Helper()
	d.statusAs(&s)
	return s
}

// statusAs reads what the API tells into s.
func (d *daemon) statusAs(s any) {
	d.t.Helper()
	resp, err := d.page.Get(d.admin + "/api/v1/status")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(s); err != nil {
		d.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is kept
}

// until waits for something that casbah does by itself.
func (d *daemon) until(what string, holds func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// wire connects to the VIP.
func (d *daemon) wire() *wire {
	d.t.Helper()
	conn, err := dial(new(net.Dialer), d.vip, d.roots)
	if err != nil {
		d.t.Fatal(err)
	}
	w := newWire(d.t, conn)
	w.within(patience)
	return w
}

// addresses counts what freeAddress has handed out.
var addresses atomic.Uint32

// freeAddress returns an address and port of loopback where nothing listens. The
// address is of nobody else, so that the port stays free until it is wanted.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	n := addresses.Add(1)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.9.%d.%d:0", n/250, 1+n%250))
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// refuses reports whether nothing accepts at addr.
func refuses(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
