package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// reload puts text in force.
func (r *rig) reload(text string) {
	r.t.Helper()
	r.write(text)
	if err := r.node.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// vipText is a [[vip]] of type http.
func vipText(name, listen string) string {
	return fmt.Sprintf("[[vip]]\nname = %q\ntype = \"http\"\nlisten = [%q]\nprofiles = [\"calm\"]\npool = \"cas\"\n", name, listen)
}

// What cannot be put in force changes nothing, and says why: as an error, in the
// status and as an event.
func TestReloadThatIsRefused(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		busy, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		held, free := freeAddress(t), freeAddress(t)
		server := newRogue(t, nil)
		r := newRig(t, setup{
			mode:    m,
			servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: vipText("held", held) + ownProfiles,
		})
		good := r.read()
		tests := []struct {
			name, old, text string
			want            string
		}{
			{"syntax", "[[pool]]", "[[pool", "casbah.toml:"},
			{"unknown-key", "name = \"cas\"", "name = \"cas\"\nalgoritm = \"x\"", "algoritm"}, //nolint:misspell // that is the mistake
			{"unknown-server", `servers = ["cas1"]`, `servers = ["cas1", "cas9"]`, `"cas9"`},
			{"certificate-gone", "lab.pem", "lost.pem", "lost.pem: no such file or directory"},
			{"step", "by = \"source_ip\"", "by = \"dest_ip\"", `"dest_ip"`},
			{"port-in-use", vipText("held", held), vipText("held", held) + vipText("free", free) +
				vipText("late", busy.Addr().String()), "vip late: listen tcp " + busy.Addr().String() + ": bind: address already in use"},
			{
				"moved", vipText("held", held), vipText("other", held),
				"vip other: listen " + held + ": another VIP, or this one with another type, has the address; remove it there first, reload, and then add it here",
			},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if !strings.Contains(good, tt.old) {
					t.Fatalf("the configuration does not hold %q", tt.old)
				}
				r.write(strings.Replace(good, tt.old, tt.text, 1))
				before := r.node.Status()
				err := r.node.Reload(t.Context())
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Reload() = %v; want an error with %q", err, tt.want)
				}
				after := r.node.Status()
				if !strings.Contains(after.ReloadError, tt.want) || !strings.Contains(after.Events[0].Text, tt.want) || after.Events[0].Kind != "reload" {
					t.Errorf("status says %q, the newest event %+v; want %q in both", after.ReloadError, after.Events[0], tt.want)
				}
				if len(after.VIPs) != len(before.VIPs) || !after.Loaded.Equal(before.Loaded) || !after.Ready {
					t.Errorf("the refused configuration changed the status: %+v", after)
				}
				if a := r.client("127.0.0.9").do("GET", "/calm/x", ""); a.status != http.StatusOK {
					t.Errorf("a client gets %d; want the configuration in force", a.status)
				}
				if !refuses(free) {
					t.Error("a listener of the refused configuration is open")
				}
			})
		}
		r.reload(good)
		if st := r.node.Status(); st.ReloadError != "" || st.Events[0].Text != "configuration reloaded" {
			t.Errorf("after a reload that works: %q, %+v", st.ReloadError, st.Events[0])
		}
	})
}

func TestReloadAddsAndRemovesVIPs(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		server := newRogue(t, nil)
		r := newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: ownProfiles})
		base, addr := r.read(), freeAddress(t)
		ask := func() int {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return 0
			}
			defer conn.Close()
			status, _ := newWire(nil, conn).ask()
			return status
		}
		if !refuses(addr) {
			t.Fatal("something listens before there is a VIP")
		}
		for range 2 { // it can come back
			r.reload(base + vipText("added", addr))
			if got := ask(); got != http.StatusOK {
				t.Fatalf("the added VIP answers %d; want 200", got)
			}
			if up, known := r.node.VIPUp("added"); !up || !known {
				t.Errorf("VIPUp(added) = %v, %v; want true, true", up, known)
			}
			r.reload(base)
			if !refuses(addr) {
				t.Error("the removed VIP still accepts")
			}
			if _, known := r.node.VIPUp("added"); known {
				t.Error("the removed VIP is still known")
			}
		}
		if got := r.addedRequests(base, addr); got != 2 {
			t.Errorf("a VIP that comes back counts %d requests; want its 2 from before", got)
		}
	})
}

// addedRequests returns what the VIP of the test before counts once it is back.
func (r *rig) addedRequests(base, addr string) uint64 {
	r.t.Helper()
	r.reload(base + vipText("added", addr))
	return r.vipStatus("added").Requests
}

// Servers and weights change with the next request; nothing that is open ends.
func TestReloadChangesServersAndWeights(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		first, second := newRogue(t, nil), newRogue(t, nil)
		r := newRig(t, setup{
			mode:    m,
			servers: []string{first.Addr().String(), second.Addr().String()}, pool: `algorithm = "round_robin"`,
			profiles: `"autodiscover"`, extra: unprobed("autodiscover"),
		})
		both := r.read()
		// Each on a connection of its own, as a connection keeps its server.
		spread := func(n int) (a, b int) {
			const path = "/autodiscover/x"
			a, b = len(first.asked(path)), len(second.asked(path))
			for range n {
				c := r.client("127.0.0.9")
				if got := c.do("POST", path, "").status; got != http.StatusOK {
					t.Fatalf("status %d", got)
				}
				c.CloseIdleConnections()
			}
			return len(first.asked(path)) - a, len(second.asked(path)) - b
		}
		if a, b := spread(8); a != 4 || b != 4 {
			t.Errorf("with equal weights the servers got %d and %d of 8; want 4 each", a, b)
		}
		name2 := fmt.Sprintf("name = \"cas2\"\naddress = %q\n", second.Addr().String())
		r.reload(strings.Replace(both, name2, name2+"weight = 300\n", 1))
		if a, b := spread(8); a != 2 || b != 6 {
			t.Errorf("with weights 100 and 300 the servers got %d and %d of 8; want 2 and 6", a, b)
		}
		r.reload(strings.Replace(strings.Replace(both, "[[server]]\n"+name2, "", 1), `servers = ["cas1", "cas2"]`, `servers = ["cas1"]`, 1))
		if a, b := spread(4); a != 4 || b != 0 {
			t.Errorf("without the second server they got %d and %d of 4; want 4 and 0", a, b)
		}
		requests := r.node.Status().Pools[0].Servers[0].Requests
		r.reload(both)
		r.until("the second server is probed again", func() bool { return !r.anyService(func(st string) bool { return st != "up" }) })
		if a, b := spread(8); a != 4 || b != 4 {
			t.Errorf("with both again they got %d and %d of 8; want 4 each", a, b)
		}
		if got := r.node.Status().Pools[0].Servers[0].Requests; got != requests+4 {
			t.Errorf("the first server counts %d requests; want %d: counters go on", got, requests+4)
		}
	})
}

// New handshakes see the new certificate; a connection from before goes on.
func TestReloadChangesTheCertificate(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		m.vip = "tls"
		server := newRogue(t, nil)
		r := newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: ownProfiles})
		old := r.wire(t, "127.0.0.9")
		if status, err := old.ask(); status != http.StatusOK {
			t.Fatalf("before: %d, %v", status, err)
		}
		oldCert, oldKey := strings.TrimSuffix(r.conf, "casbah.toml")+"lab.pem", strings.TrimSuffix(r.conf, "casbah.toml")+"lab.key"
		id := newIdentity(t, t.TempDir())
		r.reload(strings.NewReplacer(oldCert, id.cert, oldKey, id.key).Replace(r.read()))
		r.roots = id.roots
		fresh := r.wire(t, "127.0.0.9")
		if bytes.Equal(peerCertificate(fresh), peerCertificate(old)) {
			t.Error("a new handshake sees the old certificate")
		}
		for name, w := range map[string]*wire{"old": old, "new": fresh} {
			if status, err := w.ask(); status != http.StatusOK {
				t.Errorf("the %s connection gets %d, %v; want 200", name, status, err)
			}
		}
	})
}

func peerCertificate(w *wire) []byte {
	return w.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
}

// A reload, and one that removes the VIP, leave open what is open.
func TestReloadKeepsConnections(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		s, server := newStream(t)
		r := newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: ownProfiles})
		kept, reader := r.wire(t, "127.0.0.9"), r.wire(t, "127.0.0.10")
		if status, err := kept.ask(); status != http.StatusOK {
			t.Fatalf("before: %d, %v", status, err)
		}
		reader.say("GET /calm/stream HTTP/1.1\r\nHost: h\r\n\r\n")
		reader.head()
		reader.want("5\r\nbegin\r\n")
		base := r.read()
		for _, text := range []string{
			strings.Replace(base, "name = \"cas\"\n", "name = \"cas\"\nalgorithm = \"round_robin\"\n", 1),
			withoutVIP(base, m.vip),
		} {
			r.reload(text)
			if status, err := kept.ask(); status != http.StatusOK {
				t.Errorf("the kept connection gets %d, %v; want 200", status, err)
			}
		}
		s.close()
		reader.want("3\r\nend\r\n0\r\n\r\n")
		if n := len(server.asked("/calm/x")); n != 3 {
			t.Errorf("the server saw %d requests of the kept connection; want 3", n)
		}
	})
}

// withoutVIP removes the VIP of that name from a configuration.
func withoutVIP(text, name string) string {
	return regexp.MustCompile(`(?s)\[\[vip\]\]\nname = "`+name+`".*?\n(\[\[vip\]\]|\[profile|\z)`).ReplaceAllString(text, "$1")
}

// Bindings survive: the session goes on where it lives, whatever the algorithm
// would choose now.
func TestReloadKeepsBindings(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		c.logon("alice", "Secret1")
		first, base := one(t, c.pages(2)), r.read()
		for _, pool := range []string{`algorithm = "round_robin"`, `algorithm = "random_two"`, `algorithm = "source_hash"`} {
			r.reload(strings.Replace(base, "[[pool]]\n", "[[pool]]\n"+pool+"\n", 1))
			c.CloseIdleConnections()
			if got := one(t, c.pages(2)); got != first {
				t.Errorf("with %s pages come from %s; want %s", pool, got, first)
			}
		}
		if n := r.vipStatus(m.vip).Requests; n < 8 {
			t.Errorf("%d requests are counted; want those from before the reloads as well", n)
		}
	})
}

// A client of a server that the new configuration does not have is served by
// another one.
func TestReloadWithoutTheServerOfAClient(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		first, second := newRogue(t, nil), newRogue(t, nil)
		r := newRig(t, setup{mode: m, servers: []string{first.Addr().String(), second.Addr().String()}, profiles: `"calm"`, extra: ownProfiles})
		c := r.client("127.0.0.9")
		c.do("GET", "/calm/x", "")
		gone, left := first, second
		if len(second.asked("/calm/x")) > 0 {
			gone, left = second, first
		}
		r.reload(withoutServer(r.read(), gone.Addr().String()))
		for range 3 { // also on the connection that it has
			if a := c.do("GET", "/calm/x", ""); a.status != http.StatusOK {
				t.Fatalf("status %d; want 200", a.status)
			}
		}
		if a, b := len(gone.asked("/calm/x")), len(left.asked("/calm/x")); a != 1 || b != 3 {
			t.Errorf("the removed server was asked %d times, the other %d times; want 1 and 3", a, b)
		}
	})
}

// withoutServer removes the server of that address from a configuration.
func withoutServer(text, address string) string {
	before, after, _ := strings.Cut(text, fmt.Sprintf("address = %q\n", address))
	i := strings.LastIndex(before, "[[server]]")
	name := strings.TrimSpace(strings.TrimPrefix(before[i:], "[[server]]\nname = "))
	out := before[:i] + after
	return strings.NewReplacer("["+name+", ", "[", ", "+name+"]", "]").Replace(out)
}

// SIGHUP to the real program.
func TestReloadBySignal(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		first, second := newRogue(t, nil), newRogue(t, nil)
		d := startDaemon(t, m, first.Addr().String(), "")
		kept := d.wire()
		if status, err := kept.ask(); status != http.StatusOK {
			t.Fatalf("before: %d, %v", status, err)
		}
		good, err := os.ReadFile(d.conf)
		if err != nil {
			t.Fatal(err)
		}

		d.edit(`pool = "cas"`, `pool = "lost"`)
		d.signal(syscall.SIGHUP)
		d.until("the API tells the mistake", func() bool {
			return strings.Contains(d.status().ReloadError, `pool: want the name of a pool (cas), got "lost"`)
		})
		// The API may tell it first.
		d.until("the log tells it too", func() bool { return strings.Contains(d.log.String(), "the configuration in force stays") })
		if status, err := d.wire().ask(); status != http.StatusOK {
			t.Errorf("after a refused reload: %d, %v; want 200", status, err)
		}

		d.write(string(good))
		d.edit(first.Addr().String(), second.Addr().String())
		d.signal(syscall.SIGHUP)
		d.until("the reload is done", func() bool { return strings.Contains(d.log.String(), "configuration reloaded") })
		if got := d.status().ReloadError; got != "" {
			t.Errorf("the API still tells %q", got)
		}
		before := len(second.asked("/calm/x"))
		for name, w := range map[string]*wire{"kept": kept, "new": d.wire()} {
			if status, err := w.ask(); status != http.StatusOK {
				t.Errorf("the %s connection gets %d, %v; want 200", name, status, err)
			}
		}
		if got := len(second.asked("/calm/x")) - before; got != 2 {
			t.Errorf("the new address was asked %d times; want 2", got)
		}
		if st := d.status(); st.VIPs[0].Requests != 4 {
			t.Errorf("%d requests are counted; want 4: counters go on", st.VIPs[0].Requests)
		}
		d.signal(syscall.SIGTERM)
		if code := d.exits(); code != 0 {
			t.Errorf("exit code %d; want 0", code)
		}
	})
}
