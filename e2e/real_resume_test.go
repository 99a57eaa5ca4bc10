package e2e

import (
	"crypto/tls"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// lasting gives the https VIP of the rig a port that a restart does not change.
func (r *rig) lasting(s setup) {
	r.t.Helper()
	r.stop()
	head, tail, ok := strings.Cut(r.read(), "name = \"tls\"")
	if !ok {
		r.t.Fatal("there is no VIP of that name")
	}
	r.write(head + "name = \"tls\"" + strings.Replace(tail, "127.0.0.1:0", freeAddresses(r.t.(*testing.T), 1)[0], 1))
	r.start(s)
}

// resumed returns how many handshakes of a version have resumed a session.
func (r *rig) resumed(vip string, version uint16) (n uint64) {
	r.t.Helper()
	for _, h := range r.vipStatus(vip).Handshakes {
		if h.Version == tls.VersionName(version) {
			n += h.Resumed
		}
	}
	return n
}

// briefVIP closes connections that are idle, and knows clients by their session.
const briefVIP = `
[[vip]]
name = "brief"
type = "https"
listen = [%q]
profiles = ["brief"]
pool = "cas"
%s
[profile.brief]
protocol = "http"
paths = ["/brief"]
methods = ["GET"]
idle_timeout = "1s"
chain = [{ by = "ssl_id" }]
[profile.brief.probe]
kind = "none"
`

// S11, S38: the real Chromium resumes its TLS session on each new connection, with
// TLS 1.2 and 1.3, and comes to its server by it, across a restart too.
func TestRealChromiumResumesAtItsServer(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "chromium")
	for version, word := range map[uint16]string{tls.VersionTLS12: "tls1.2", tls.VersionTLS13: "tls1.3"} {
		for _, engine := range drivers {
			t.Run(word+"/"+engine, func(t *testing.T) {
				at := freeAddresses(t, 1)[0] // which a restart does not change
				s := setup{mode: mode{engine: engine, vip: "tls"}, extra: fmt.Sprintf(briefVIP, at, newIdentity(t, t.TempDir()).ofVIP())}
				r := newMirrorRig(t, s, "ews")
				b := newBrowser(t, chromedp.Flag("ssl-version-max", word), chromedp.Flag("ssl-version-min", word))
				b.run(chromedp.Navigate("https://" + at + "/brief"))
				n := 0
				visit := func() string { // on a connection of its own: casbah has closed the one before
					n++
					time.Sleep(1500 * time.Millisecond)
					return is[string](b, fmt.Sprintf("(() => { const x = new XMLHttpRequest(); x.open('GET', '/brief?%d', false); x.send(); return x.getResponseHeader('X-Lab-Server') })()", n))
				}
				home := visit()
				stays := func(when string) {
					t.Helper()
					before := r.resumed("brief", version)
					for range 3 {
						if got := visit(); got != home {
							t.Errorf("%s: served by %s; want %s", when, got, home)
						}
					}
					if n := r.resumed("brief", version) - before; n < 3 {
						t.Errorf("%s: %d sessions were resumed; want 3", when, n)
					}
				}
				stays("at first")
				r.stop()
				r.start(s)
				stays("after a restart")
			})
		}
	}
}

// S11, S38: the real curl comes back to its server across a restart. It keeps its
// session for one run, so the run goes on meanwhile.
func TestRealCurlResumesAcrossARestart(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "curl")
	engines(t, func(t *testing.T, m mode) {
		m.vip = "tls"
		s := setup{mode: m}
		r := newMirrorRig(t, s, "ews")
		r.lasting(s)
		args := []string{
			"--silent", "--show-error", "--insecure", "--include", "--no-buffer", "--http1.1", "--tlsv1.3", "--header", "Connection: close",
			"--rate", "30/m", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
		}
		for range 6 {
			args = append(args, "https://"+r.tls+"/EWS/")
		}
		var out locked
		cmd := exec.CommandContext(t.Context(), "curl", args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.until("three pages have come", func() bool { return len(all(labServer, out.String())) >= 3 })
		r.stop()
		r.start(s)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("curl: %v\n%s", err, out.String())
		}
		servers := all(labServer, out.String())
		for _, got := range servers {
			if got != servers[0] || len(servers) != 6 {
				t.Fatalf("served by %v; want one server, six times", servers)
			}
		}
		if n := r.resumed("tls", tls.VersionTLS13); n < 3 {
			t.Errorf("%d sessions were resumed after the restart; want 3", n)
		}
	})
}
