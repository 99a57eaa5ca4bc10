package e2e

import (
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
	"syscall"
	"testing"
	"time"

	"casbah/profiles"
)

// startServe starts `casbah serve` with a file of its own in front of the
// lab's servers, and waits until every service is up.
func (p *process) startServe(engine string) *process {
	p.t.Helper()
	dir := p.t.TempDir()
	at := freeAddresses(p.t, 3)
	q := &process{
		t: p.t, http: "http://" + at[0], https: "https://" + at[1], admin: "http://" + at[2],
		control: p.control, ca: p.ca, conf: filepath.Join(dir, "casbah.toml"),
	}
	host := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	moved := []string{host(p.http), at[0], host(p.https), at[1], host(p.admin), at[2]}
	for i, address := range freeAddresses(p.t, len(p.mail)) {
		moved = append(moved, p.mail[i], address)
	}
	here := strings.NewReplacer(moved...)
	q.guide = here.Replace(p.guide)
	text := mode{engine: engine}.key() + here.Replace(contents(p.t, p.conf))
	text = regexp.MustCompile(`(?m)^state_dir = .*$`).ReplaceAllLiteralString(text, `state_dir = "`+dir+`"`)
	if err := os.WriteFile(q.conf, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	q.cmd = exec.Command(build.path(p.t), "serve", "-c", q.conf)
	var log locked
	q.cmd.Stderr = &log
	if err := q.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = q.cmd.Process.Kill() // unless the test has waited for its end
		_ = q.cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("log of casbah serve:\n%s", log.String())
		}
	})
	q.until("every service is up", func() bool { return q.states("", "") == "up" })
	return q
}

// front returns casbah with that driver in front of the lab's servers, all of
// them up: the lab's own casbah, or another one.
func (p *process) front(engine string) *process {
	p.t.Helper()
	conf, _, err := profiles.Load(p.conf)
	if err != nil {
		p.t.Fatal(err)
	}
	if conf.Engine == engine {
		p.until("every service is up again", func() bool { return p.states("", "") == "up" })
		return p
	}
	return p.startServe(engine)
}

// What waits for mail is answered in full while casbah stops, and a SIGHUP that
// comes meanwhile, from a script that rotates logs perhaps, cuts nothing off.
func TestRealServeDrainsThroughAHangup(t *testing.T) {
	t.Parallel()
	real(t)
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) { startLab(t).drainsThroughAHangup(engine) })
	}
}

// idleConnections opens n connections to the HTTP VIP, each of which was answered once.
func (p *process) idleConnections(n int) []net.Conn {
	p.t.Helper()
	all := make([]net.Conn, n)
	for i := range all {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.http, "http://"), patience)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience)) // it fails for no connection of ours
		if _, err := io.WriteString(conn, "GET /owa/auth/logon.aspx HTTP/1.1\r\nHost: mail.lab.test\r\n\r\n"); err != nil {
			p.t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			p.t.Fatal(err)
		}
		all[i] = conn
	}
	return all
}

func (p *process) drainsThroughAHangup(engine string) {
	t := p.t
	q := p.startServe(engine)
	answer := make(chan string, 1)
	go func() {
		req, err := http.NewRequest("POST", q.http+"/Microsoft-Server-ActiveSync?Cmd=Ping&DeviceId=d1&HeartbeatInterval=60", http.NoBody)
		if err != nil {
			answer <- err.Error()
			return
		}
		req.SetBasicAuth("carol", "Secret3")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		answer <- fmt.Sprintf("%s close=%t %v", resp.Status, resp.Close, err)
	}()
	q.until("the phone waits", func() bool { return q.active("eas") == 1 })
	idle := q.idleConnections(8)
	signalTo(t, q.cmd, syscall.SIGTERM)
	q.until("it is not ready", func() bool { return q.code("/readyz") == http.StatusServiceUnavailable })
	signalTo(t, q.cmd, syscall.SIGHUP)
	q.until("no new connection is taken", func() bool { return refuses(strings.TrimPrefix(q.http, "http://")) })
	for _, conn := range idle { // of every loop, which so has heard of the stop
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("an idle connection does not end")
		}
	}
	p.order("mail/carol")
	if got, want := <-answer, "200 OK close=true <nil>"; got != want {
		t.Errorf("the phone got %q; want %q", got, want)
	}
	if err := q.cmd.Wait(); err != nil {
		t.Errorf("casbah serve: %v; want exit code 0", err)
	}
}

// The lab goes when its terminal does.
func TestRealLabEndsWithItsTerminal(t *testing.T) {
	real(t)
	p := startLab(t)
	signalTo(t, p.cmd, syscall.SIGHUP)
	p.until("the lab has ended", func() bool { return p.code("/healthz") == 0 })
}

func signalTo(t *testing.T, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// code returns the status that the admin listener answers with; 0 without an answer.
func (p *process) code(path string) int {
	resp, err := http.Get(p.admin + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
