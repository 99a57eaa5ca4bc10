//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// transparentConf is casbah with VIPs that have connections come from their
// clients, and one that has not.
func transparentConf(top, dir string, id identity) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sstate_dir = %q\n[log]\naccess = \"off\"\n[admin]\nlisten = \"127.0.0.1:0\"\n", top, dir)
	for name, address := range map[string]string{"cas1": "10.88.2.2", "cas2": "fd88:2::2"} {
		fmt.Fprintf(&b, "[[server]]\nname = %q\naddress = %q\n[[pool]]\nname = %q\nservers = [%q]\n", name, address, name, name)
	}
	for _, p := range []struct{ name, protocol, rest string }{
		{"say", "tcp", "ports = [7001]"}, {"sealed", "tcp", "ports = [7044]"}, {"dns", "udp", "ports = [7053]"}, {"web", "http", "paths = [\"/web\"]"},
	} {
		fmt.Fprintf(&b, "[profile.%s]\nprotocol = %q\n%s\nprobe = { kind = \"none\" }\n", p.name, p.protocol, p.rest)
	}
	b.WriteString("[[pool]]\nname = \"web\"\nservers = [\"cas1\"]\nport = 7080\n")
	for _, v := range []struct{ name, kind, listen, pool, profile string }{
		{"own", "tcp", "10.88.1.1:7002", "cas1", "say"},
		{"four", "tcp", "10.88.1.1:7001", "cas1", "say"},
		{"six", "tcp", "[fd88:1::1]:7001", "cas2", "say"},
		{"dns", "udp", "10.88.1.1:7053", "cas1", "dns"},
		{"plain", "http", "10.88.1.1:7080", "web", "web"},
		{"mail", "https", "10.88.1.1:7443", "web", "web"},
		{"ended", "tls", "10.88.1.1:7995", "cas1", "say"},
		{"ended6", "tls", "[fd88:1::1]:7995", "cas2", "say"},
		{"passed", "ssl_bridge", "10.88.1.1:7444", "cas1", "sealed"},
		{"passed6", "ssl_bridge", "[fd88:1::1]:7444", "cas2", "sealed"},
	} {
		fmt.Fprintf(&b, "[[vip]]\nname = %q\ntype = %q\nlisten = [%q]\npool = %q\nprofiles = [%q]\ntransparent = %v\n",
			v.name, v.kind, v.listen, v.pool, v.profile, v.name != "own")
		if v.kind == "https" || v.kind == "tls" {
			b.WriteString(id.ofVIP())
		}
	}
	return b.String()
}

// Servers see the clients' own addresses, whatever the VIP's type, by either
// driver; connections of HTTP are each of one client. Beside them a VIP without
// the key has casbah's.
func TestRealTransparent(t *testing.T) {
	real(t)
	n := newNetwork(t)
	id := newIdentity(t, t.TempDir())
	n.tells(n.listen("7001"))
	n.tells(tls.NewListener(n.listen("7044"), id.ofServer()))
	n.tellsDatagrams("7053")
	n.tellsRequests("7080")
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			d := &daemon{t: t, mode: mode{engine: engine}, conf: filepath.Join(dir, "casbah.toml"), ended: make(chan struct{})}
			d.write(transparentConf(d.mode.key(), dir, id))
			d.begin([]string{"ip", "netns", "exec", n.casbah})
			for range 3 {
				for _, tt := range []struct{ kind, from, to, want string }{
					{"tcp", "10.88.1.2", "10.88.1.1:7001", "10.88.1.2"},
					{"tcp", "10.88.1.3", "10.88.1.1:7001", "10.88.1.3"},
					{"tcp", "fd88:1::3", "[fd88:1::1]:7001", "fd88:1::3"},
					{"tcp", "10.88.1.3", "10.88.1.1:7002", "10.88.2.1"},
					{"udp", "10.88.1.2", "10.88.1.1:7053", "10.88.1.2"},
					{"udp", "10.88.1.3", "10.88.1.1:7053", "10.88.1.3"},
					{"tls", "10.88.1.2", "10.88.1.1:7995", "10.88.1.2"},
					{"tls", "10.88.1.3", "10.88.1.1:7995", "10.88.1.3"},
					{"tls", "fd88:1::3", "[fd88:1::1]:7995", "fd88:1::3"},
					{"tls", "10.88.1.2", "10.88.1.1:7444", "10.88.1.2"}, // ended by the server
					{"tls", "10.88.1.3", "10.88.1.1:7444", "10.88.1.3"},
					{"tls", "fd88:1::3", "[fd88:1::1]:7444", "fd88:1::3"},
				} {
					if got := n.asks(id, tt.kind, tt.from, tt.to); got != tt.want {
						t.Errorf("%s from %s to %s: the server sees %s; want %s", tt.kind, tt.from, tt.to, got, tt.want)
					}
				}
			}
			for _, base := range []string{"http://10.88.1.1:7080", "https://localhost:7443"} {
				sources := make(map[string]string) // with ports, by client
				for range 3 {
					for _, from := range []string{"10.88.1.2", "10.88.1.3"} {
						c := n.browser(t, from, id)
						for range 2 {
							got := get(t, c, base+"/web/")
							if host, _, _ := net.SplitHostPort(got); host != from {
								t.Errorf("%s from %s: the server sees %s", base, from, got)
							}
							if other := sources[got]; other != "" && other != from {
								t.Errorf("%s: %s and %s share the connection from %s", base, from, other, got)
							}
							sources[got] = from
						}
						c.CloseIdleConnections()
					}
				}
			}
		})
	}
}

// Without the right of the system casbah refuses to start, and says what it lacks.
func TestRealTransparentNeedsARight(t *testing.T) {
	real(t)
	n := newNetwork(t)
	setpriv := peer(t, "setpriv")
	dir := t.TempDir()
	d := &daemon{t: t, conf: filepath.Join(dir, "casbah.toml"), ended: make(chan struct{})}
	d.write(transparentConf("", dir, newIdentity(t, dir)))
	d.cmd = exec.Command("ip", "netns", "exec", n.casbah, setpriv, "--bounding-set=-net_admin,-net_raw", build.path(t), "serve", "-c", d.conf)
	d.cmd.Stderr = &d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go d.wait()
	if code := d.exits(); code != 1 || !strings.Contains(d.log.String(), "vip four: transparent: ") || !strings.Contains(d.log.String(), "CAP_NET_RAW or CAP_NET_ADMIN") {
		t.Errorf("exit code %d; want 1, and that the VIP needs a capability\n%s", code, d.log.String())
	}
}

// tells has the server tell whoever connects where it comes from.
func (n *network) tells(ln net.Listener) {
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // a handshake may be first
				_, _ = io.WriteString(conn, conn.RemoteAddr().String())
				_ = conn.Close()
			}()
		}
	}()
}

func (n *network) tellsDatagrams(port string) {
	n.t.Helper()
	conn := n.listenPacket(port)
	go func() {
		buf := make([]byte, 64)
		for {
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte(from.String()), from)
		}
	}()
}

func (n *network) tellsRequests(port string) {
	n.t.Helper()
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	})}
	ln := n.listen(port)
	go func() { _ = server.Serve(ln) }()
	n.t.Cleanup(func() { _ = server.Close() })
}

// asks returns which host a server sees, by tcp, udp or tls.
func (n *network) asks(id identity, kind, from, to string) string {
	n.t.Helper()
	conn, err := n.dial(n.t.Context(), strings.Replace(kind, "tls", "tcp", 1), from, to)
	if kind == "tls" && err == nil {
		conn = tls.Client(conn, &tls.Config{RootCAs: id.roots, ServerName: "localhost"})
	}
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if kind == "udp" {
		_, _ = io.WriteString(conn, "who am I")
	}
	buf := make([]byte, 64)
	size, err := conn.Read(buf)
	if err != nil {
		n.t.Fatalf("%s from %s to %s: %v", kind, from, to, err)
	}
	host, _, err := net.SplitHostPort(string(buf[:size]))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimPrefix(host, "::ffff:")
}

// browser is a client of HTTP at an address. It takes localhost for casbah.
func (n *network) browser(t *testing.T, from string, id identity) *http.Client {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: id.roots},
		DialContext: func(ctx context.Context, kind, to string) (net.Conn, error) {
			return n.dial(ctx, kind, from, strings.Replace(to, "localhost", "10.88.1.1", 1))
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// get returns what is at a URL.
func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, text)
	}
	return string(text)
}
