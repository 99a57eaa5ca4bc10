package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"casbah/lab"
)

// patience is how long anything may take that is to happen at once.
const patience = 60 * time.Second

// conf is casbah's configuration. %[1]q is the engine, %[2]q its directory, %[3]q
// and %[4]q the servers, %[5]q to %[7]q the addresses of the page, the tcp and the
// tls VIP, %[8]q and %[9]q certificate and key, %[10]q the access log.
const conf = `engine = %[1]q
state_dir = %[2]q
drain_timeout = "30s"
[log]
access = %[10]q
[admin]
listen = %[5]q
[[server]]
name = "cas1"
address = %[3]q
[[server]]
name = "cas2"
address = %[4]q
[[pool]]
name = "cas"
servers = ["cas1", "cas2"]
[[vip]]
name = "clear"
type = "tcp"
listen = [%[6]q]
profiles = ["imap4"]
pool = "cas"
[[vip]]
name = "tls"
type = "tls"
listen = [%[7]q]
profiles = ["imap4"]
pool = "cas"
[[vip.certificate]]
cert = %[8]q
key = %[9]q
`

// casbah is the process under test.
type casbah struct {
	cmd        *exec.Cmd
	clear, tls string // host:port of the VIPs
	roots      *x509.CertPool
	log        string        // file of what it writes to standard error
	ended      chan struct{} // closed when the process has ended
}

// startCasbah starts casbah in front of the array, and waits until it serves.
func startCasbah(ctx context.Context, o *options, dir string, a *lab.Array) (*casbah, error) {
	cert, key, err := lab.Certificate(dir)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(cert) //nolint:gosec // in a directory of our own
	if err != nil {
		return nil, err
	}
	c := &casbah{roots: x509.NewCertPool(), log: filepath.Join(dir, "casbah.log"), ended: make(chan struct{})}
	c.roots.AppendCertsFromPEM(pem)
	free, err := freeAddresses(ctx, 3)
	if err != nil {
		return nil, err
	}
	page := free[0]
	c.clear, c.tls = free[1], free[2]
	text := fmt.Sprintf(conf, o.engine, dir, a.CAS(0).MailAddr("imap4", false), a.CAS(1).MailAddr("imap4", false), page, c.clear, c.tls, cert, key, filepath.Join(dir, "access.log"))
	path := filepath.Join(dir, "casbah.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	f, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer f.Close()                                     // the process has its own
	c.cmd = exec.Command(o.binary, "serve", "-c", path) //nolint:gosec,noctx // what the options name; it is stopped below
	c.cmd.Stderr = f
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // ^C is for us
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.wait()
	if err := c.serves(ctx, "http://"+page); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// freeAddresses returns addresses of loopback where nothing listens now.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var list []string
	var lc net.ListenConfig
	for range n {
		ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // all at the end, so that each is another
		list = append(list, ln.Addr().String())
	}
	return list, nil
}

func (c *casbah) wait() {
	defer close(c.ended)
	_ = c.cmd.Wait() // what it says is in ProcessState
}

func (c *casbah) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// serves waits until both VIPs have a server.
func (c *casbah) serves(ctx context.Context, page string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for _, vip := range []string{"clear", "tls"} {
		for !answers(ctx, page+"/healthz/vip/"+vip) {
			select {
			case <-ctx.Done():
				return errors.Join(errors.New("casbah does not serve"), c.said())
			case <-c.ended:
				return errors.Join(fmt.Errorf("casbah has ended: %v", c.cmd.ProcessState), c.said())
			case <-pace.C:
			}
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// said returns what casbah wrote to standard error.
func (c *casbah) said() error {
	text, err := os.ReadFile(c.log)
	return errors.Join(err, errors.New(string(text)))
}

// exits waits for the end of the process, and returns why that is no clean one.
func (c *casbah) exits(within time.Duration) error {
	over := time.NewTimer(within)
	defer over.Stop()
	select {
	case <-c.ended:
	case <-over.C:
		c.kill()
		return fmt.Errorf("casbah has not ended %v after SIGTERM", within)
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		return errors.Join(fmt.Errorf("casbah ended with %v", c.cmd.ProcessState), c.said())
	}
	return nil
}

// memory returns the octets of resident memory, and how many are not of files.
func (c *casbah) memory() (resident, anonymous int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(text) {
		for name, to := range map[string]*int64{"Rss:": &resident, "Anonymous:": &anonymous} {
			if rest, ok := strings.CutPrefix(string(line), name); ok {
				if _, err := fmt.Sscan(rest, to); err != nil {
					return 0, 0, fmt.Errorf("smaps_rollup: %s: %w", line, err)
				}
				*to <<= 10
			}
		}
	}
	return resident, anonymous, nil
}
