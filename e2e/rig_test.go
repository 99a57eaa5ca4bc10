package e2e

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/lab"
	"casbah/node"
	"casbah/profiles"
)

// rig is casbah in front of a simulated array, all in this process, over real
// sockets on loopback.
type rig struct {
	t     testing.TB
	mode  mode
	array *lab.Array
	node  *node.Node
	stop  func() // stops the node; again does nothing
	conf  string // path of casbah.toml
	roots *x509.CertPool
	plain string // host:port of the http VIP
	tls   string // host:port of the https VIP
}

// setup says what a rig looks like. The zero value is three CAS behind the
// exchange2010 profiles.
type setup struct {
	mode     mode
	lab      lab.Options // with TLS, casbah re-encrypts to the servers and verifies them
	vip      string      // more keys of both VIPs
	https    string      // more keys of the https VIP
	pool     string      // more keys of the pool
	extra    string      // more tables, such as [profile.owa]
	profiles string      // the VIPs' profiles; empty: all of HTTP
	servers  []string    // addresses to balance over; empty: those of the array
	drain    time.Duration
	log      zerolog.Logger // silent unless set
}

const allProfiles = `"owa", "ecp", "eas", "ews", "outlook_anywhere", "oab", "autodiscover", "powershell", "mapi"`

// newRig starts a rig that ends with the test.
func newRig(tb testing.TB, s setup) *rig {
	tb.Helper()
	array := newArray(tb, s.lab)
	dir := tb.TempDir()
	id := newIdentity(tb, dir)
	if s.lab.TLS {
		s.pool += reencrypted(tb, dir, array)
	}
	s.mode.vip = cmp.Or(s.mode.vip, "plain")
	r := &rig{t: tb, mode: s.mode, array: array, conf: filepath.Join(dir, "casbah.toml")}
	r.write(r.text(s, dir, id))
	r.roots = id.roots
	r.start(s)
	return r
}

// text is the rig's casbah.toml.
func (r *rig) text(s setup, dir string, id identity) string {
	var b strings.Builder
	b.WriteString(s.mode.key())
	fmt.Fprintf(&b, "state_dir = %q\n[log]\naccess = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n", dir, filepath.Join(dir, "access.log"))
	addresses := s.servers
	for _, c := range r.array.Servers() {
		switch {
		case len(s.servers) > 0:
		case s.lab.TLS:
			addresses = append(addresses, c.TLSAddr())
		default:
			addresses = append(addresses, c.Addr())
		}
	}
	names := make([]string, 0, len(addresses))
	for i, address := range addresses {
		name := fmt.Sprintf("cas%d", i+1) // as the array names them
		fmt.Fprintf(&b, "[[server]]\nname = %q\naddress = %q\n", name, address)
		names = append(names, fmt.Sprintf("%q", name))
	}
	fmt.Fprintf(&b, "[[pool]]\nname = \"cas\"\nservers = [%s]\n%s\n", strings.Join(names, ", "), s.pool)
	if s.profiles == "" {
		s.profiles = allProfiles
	}
	vip := "[[vip]]\nname = %q\ntype = %q\nlisten = [\"127.0.0.1:0\"]\nprofiles = [%s]\npool = \"cas\"\n%s\n"
	fmt.Fprintf(&b, vip, "plain", "http", s.profiles, s.vip)
	fmt.Fprintf(&b, vip, "tls", "https", s.profiles, s.vip+s.https)
	b.WriteString(id.ofVIP() + s.extra + "\n")
	return b.String()
}

func (r *rig) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.conf, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// read returns the text of casbah.toml.
func (r *rig) read() string {
	r.t.Helper()
	text, err := os.ReadFile(r.conf)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// start starts the node and waits until every service has been probed.
func (r *rig) start(s setup) {
	r.t.Helper()
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		r.t.Fatalf("%v\n", err)
	}
	n, err := node.New(conf, node.Options{Log: s.log, Version: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.node, r.stop = n, sync.OnceFunc(func() { n.Stop(s.drain) })
	r.t.Cleanup(r.stop)
	r.plain, r.tls = n.Addrs("plain")[0].String(), n.Addrs("tls")[0].String()
	r.until("all services are up", func() bool { return !r.anyService(func(st string) bool { return st != "up" }) })
}

// anyService reports whether a service is in a state that f asks for.
func (r *rig) anyService(f func(state string) bool) bool {
	for _, p := range r.node.Status().Pools {
		for _, s := range p.Servers {
			for _, v := range s.Services {
				if f(v.State) {
					return true
				}
			}
		}
	}
	return false
}

// vipStatus returns the figures of one VIP.
func (r *rig) vipStatus(name string) node.VIPStatus {
	r.t.Helper()
	for _, v := range r.node.Status().VIPs {
		if v.Name == name {
			return v
		}
	}
	r.t.Fatalf("no VIP %s", name)
	return node.VIPStatus{}
}

// until waits for something that the rig does by itself.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited 30s in vain until %s\n%+v", what, r.node.Status().Pools)
		}
	}
}

// client is one user's program: its own connections, cookies and source address.
type client struct {
	*http.Client
	base string
	t    testing.TB
}

// at returns r for questions to the other VIP: plain or tls.
func (r *rig) at(vip string) *rig {
	q := *r
	q.mode.vip = vip
	return &q
}

// client returns a client of the rig's VIP that comes from source, a loopback
// address.
func (r *rig) client(source string) *client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	tr := &http.Transport{
		DialContext:     dialer.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: r.roots, ServerName: "localhost"},
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	c := &client{Client: &http.Client{Transport: tr, Jar: newJar()}, base: "http://" + r.plain, t: r.t}
	if r.mode.vip == "tls" {
		c.base = "https://" + r.tls
	}
	return c
}
