package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/node"
	"casbah/profiles"
)

// relayConf is casbah with a VIP "flow" that relays. The parts are keys before
// any table, the state directory, the access log, tables of servers, their names,
// more of the pool, the VIP's type and profile, and what follows the VIP.
const relayConf = `%sstate_dir = %q
[log]
access = %q
[admin]
listen = "127.0.0.1:0"
%s
[[pool]]
name = "cas"
servers = [%s]
algorithm = "round_robin"
%s
[[vip]]
name = "flow"
type = %q
listen = ["127.0.0.1:0"]
profiles = [%q]
pool = "cas"
%s
`

// The ways in which servers are probed here.
const (
	probedRPC   = "[profile.rpc_client_access.probe]\nkind = \"tcp\"\ninterval = \"1s\"\ntimeout = \"900ms\"\nrise = 1\nfall = 1\n"
	unprobedRPC = "[profile.rpc_client_access.probe]\nkind = \"none\"\n"
)

// relaySetup says what a rig that relays looks like.
type relaySetup struct {
	mode    mode
	top     string // keys before any table
	pool    string // more keys of the pool
	kind    string // type of the VIP; empty: tcp
	vip     string // more keys of the VIP
	profile string // empty: rpc_client_access
	extra   string // more tables
	servers []string
	drain   time.Duration
}

// newRelay starts a rig that ends with the test.
func newRelay(tb testing.TB, s relaySetup) *rig {
	tb.Helper()
	dir := tb.TempDir()
	r := &rig{t: tb, mode: s.mode, conf: filepath.Join(dir, "casbah.toml")}
	var tables, names []string
	for i, address := range s.servers {
		name := fmt.Sprintf("cas%d", i+1)
		tables = append(tables, fmt.Sprintf("[[server]]\nname = %q\naddress = %q", name, address))
		names = append(names, fmt.Sprintf("%q", name))
	}
	if s.profile == "" {
		s.profile = "rpc_client_access"
	}
	r.write(fmt.Sprintf(relayConf, s.mode.key()+s.top, dir, filepath.Join(dir, "access.log"), strings.Join(tables, "\n"),
		strings.Join(names, ", "), s.pool, cmp.Or(s.kind, "tcp"), s.profile, s.vip+s.extra))
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := node.New(conf, node.Options{Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	r.node, r.stop = n, sync.OnceFunc(func() { n.Stop(s.drain) })
	tb.Cleanup(r.stop)
	r.plain = n.Addrs("flow")[0].String()
	r.until("all services are known", func() bool { return !r.anyService(func(st string) bool { return st == "unknown" }) })
	return r
}

// origin is a TCP server that says its name and then gives back what it is told.
// It can be stopped and started again at its address.
type origin struct {
	tb   testing.TB
	name string
	addr string

	work  sync.WaitGroup
	mu    sync.Mutex // guards the fields below
	ln    net.Listener
	conns []net.Conn
}

func newOrigin(tb testing.TB, name, addr string) *origin {
	tb.Helper()
	o := &origin{tb: tb, name: name, addr: addr}
	o.start()
	tb.Cleanup(o.stop)
	return o
}

func (o *origin) start() {
	o.tb.Helper()
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		o.tb.Fatal(err)
	}
	o.addr = ln.Addr().String()
	o.mu.Lock()
	o.ln = ln
	o.mu.Unlock()
	o.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns = append(o.conns, conn)
			o.mu.Unlock()
			o.work.Go(func() {
				defer conn.Close()
				if _, err := fmt.Fprintln(conn, o.name); err == nil {
					_, _ = io.Copy(conn, conn) // until one side is gone
				}
			})
		}
	})
}

// stop ends the listener and every connection.
func (o *origin) stop() {
	o.mu.Lock()
	_ = o.ln.Close()
	for _, conn := range o.conns {
		_ = conn.Close()
	}
	o.conns = nil
	o.mu.Unlock()
	o.work.Wait()
}

// origins starts n servers and returns them with their addresses.
func origins(tb testing.TB, n int) (all []*origin, addresses []string) {
	tb.Helper()
	for i := range n {
		o := newOrigin(tb, fmt.Sprintf("cas%d", i+1), freeAddress(tb))
		all, addresses = append(all, o), append(addresses, o.addr)
	}
	return all, addresses
}

// visit connects from source and returns the name of the server.
func (r *rig) visit(source string) string {
	r.t.Helper()
	w := r.wire(r.t, source)
	defer w.Close()
	return w.line()
}

// line reads a line without its end.
func (w *wire) line() string {
	w.t.Helper()
	text, err := w.in.ReadString('\n')
	if err != nil {
		w.t.Fatalf("read: %v after %q", err, text)
	}
	return strings.TrimSuffix(text, "\n")
}

// shut closes the half of w that sends.
func (w *wire) shut() {
	w.t.Helper()
	if err := w.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
}

// rest reads to the end.
func (w *wire) rest() []byte {
	w.t.Helper()
	data, err := io.ReadAll(w.in)
	if err != nil {
		w.t.Fatalf("read: %v after %d octets", err, len(data))
	}
	return data
}

// noise returns octets that differ with seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}
