package e2e

import (
	"bytes"
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

// real skips a test that wants real peers, unless CASBAH_REAL is set.
func real(t *testing.T) {
	t.Helper()
	if os.Getenv("CASBAH_REAL") == "" {
		t.Skip("wants real peers: make test-real, or CASBAH_REAL=1 where curl and chromium are installed")
	}
}

// peer returns the path of a real program. A test that lacks it fails: a run
// that was asked for and did not happen must not look like one that passed.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: sh e2e/peers.sh installs it", err)
	}
	return path
}

// process is a running `casbah lab`, as a user starts it.
type process struct {
	t       *testing.T
	https   string // URL of the https VIP, without a slash at the end
	http    string // of the http VIP
	admin   string // of the page
	control string // of the orders
	guide   string // what it printed
	ca      string // file of the certificate to trust
	conf    string // its casbah.toml
	cmd     *exec.Cmd
	mail    []string // host:port of the VIPs for mail
}

// startLab starts `casbah lab` on free ports and waits until every service is
// up. It is stopped by SIGTERM, and must then exit with 0 and leave nothing.
func startLab(t *testing.T) *process {
	t.Helper()
	at := freeAddresses(t, 7)
	p := &process{t: t, https: "https://" + at[0], http: "http://" + at[1], admin: "http://" + at[2], control: "http://" + at[3], mail: at[4:]}
	p.cmd = exec.Command(build.path(t), "lab", "-https", at[0], "-http", at[1], "-admin", at[2], "-control", at[3], "-pop3", at[4],
		"-smtp", at[5], "-imap", at[6], "-epm", "127.0.0.1:0", "-rpc", "127.0.0.1:0", "-ab", "127.0.0.1:0")
	var out, log locked
	p.cmd.Stdout, p.cmd.Stderr = &out, &log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(&log) })
	p.until("the guide is printed", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	p.guide = out.String()
	p.ca = p.printed(`--cacert (\S+)`)
	p.conf = p.printed(`configuration is in (\S+)\. `)
	p.until("every service is up", func() bool { return p.states("", "") == "up" })
	return p
}

// stop ends the process and looks at how it went.
func (p *process) stop(log *locked) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it fails if the process is gone, of which Wait tells
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("casbah lab: %v; want exit code 0 on SIGTERM", err)
	}
	if _, err := os.Stat(filepath.Dir(p.conf)); p.conf != "" && !errors.Is(err, os.ErrNotExist) {
		p.t.Errorf("the directory of the lab is left behind: %s (%v)", filepath.Dir(p.conf), err)
	}
	if p.t.Failed() {
		p.t.Logf("log of casbah lab:\n%s", log.String())
	}
}

// printed returns what the guide says at a pattern.
func (p *process) printed(pattern string) string {
	p.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.guide)
	if m == nil {
		p.t.Fatalf("the guide does not say %s:\n%s", pattern, p.guide)
	}
	return m[1]
}

// order gives an order to the lab: order("cas1/owa/503").
func (p *process) order(words string) {
	p.t.Helper()
	resp, err := http.Post(p.control+"/"+words, "", http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		p.t.Fatalf("order %s: %s\n%s", words, resp.Status, text)
	}
}

// state returns what the lab says of its servers.
func (p *process) state() string {
	p.t.Helper()
	resp, err := http.Get(p.control + "/")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// service is one profile on one server, as /api/v1/status tells of it.
type service struct {
	Server         string
	Profile, State string
	Active         int
}

// services returns what casbah says of its services; nil while it does not answer.
func (p *process) services() []service {
	resp, err := http.Get(p.admin + "/api/v1/status")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var status struct {
		Pools []struct {
			Servers []struct {
				Name     string
				Services []service
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return nil
	}
	var list []service
	for _, pool := range status.Pools {
		for _, s := range pool.Servers {
			for _, v := range s.Services {
				v.Server = s.Name
				list = append(list, v)
			}
		}
	}
	return list
}

// states returns the state that all services of a server and a profile share,
// "" for either meaning all; "mixed" if they differ, "" while casbah does not
// answer.
func (p *process) states(server, profile string) string {
	common := ""
	for _, v := range p.services() {
		switch {
		case server != "" && server != v.Server, profile != "" && profile != v.Profile:
		case common != "" && common != v.State:
			return "mixed"
		default:
			common = v.State
		}
	}
	return common
}

// active returns how many requests of a profile are open.
func (p *process) active(profile string) int {
	n := 0
	for _, v := range p.services() {
		if v.Profile == profile {
			n += v.Active
		}
	}
	return n
}

// until waits for something that casbah does by itself.
func (p *process) until(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited a minute in vain until %s", what)
		}
	}
}

// freeAddresses returns addresses of loopback where nothing listens now.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var lc net.ListenConfig
	addrs := make([]string, n)
	for i := range addrs {
		for {
			at := fmt.Sprintf("127.0.0.1:%d", firstPort+ports.Add(1)%morePorts)
			ln, err := lc.Listen(t.Context(), "tcp", at)
			if err == nil {
				_ = ln.Close()
				addrs[i] = at
				break
			}
		}
	}
	return addrs
}

// The ports that are handed out, each once: below those that the system gives to
// outgoing connections, which would take them before they are used.
const firstPort, morePorts = 10_000, 18_000

var ports atomic.Uint32

// locked is a buffer that one goroutine writes and another one reads.
type locked struct {
	mu  sync.Mutex // guards the field below
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
