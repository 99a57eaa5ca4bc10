package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"casbah/admin"
)

// Octets pass both ways at once, unchanged, and each side ends its half when it
// likes: the other one goes on.
func TestRelayCarriesBothWays(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newRelay(t, relaySetup{mode: m, servers: []string{s.Addr().String()}, extra: unprobedRPC})
		for i, first := range []string{"client", "server", "client", "server"} {
			client := r.wire(t, "127.0.0.2")
			server := s.accept()
			up, down := noise(uint64(2*i), 3<<20+i), noise(uint64(2*i+1), 5<<20-i)
			begin, behind, mine, theirs := client, server, up, down
			if first == "server" {
				begin, behind, mine, theirs = server, client, down, up
			}
			var work sync.WaitGroup
			half := len(theirs) / 2
			work.Go(func() { // ends its half at once
				if _, err := begin.Write(mine); err != nil {
					t.Error(err)
				}
				begin.shut()
			})
			work.Go(func() { // speaks meanwhile, and after it has heard all
				if _, err := behind.Write(theirs[:half]); err != nil {
					t.Error(err)
				}
				if got := behind.rest(); sha256.Sum256(got) != sha256.Sum256(mine) {
					t.Errorf("%s first: %d octets came over; want the %d that were sent", first, len(got), len(mine))
				}
				if _, err := behind.Write(theirs[half:]); err != nil {
					t.Error(err)
				}
				behind.shut()
			})
			if got := begin.rest(); sha256.Sum256(got) != sha256.Sum256(theirs) {
				t.Errorf("%s first: %d octets came back; want the %d that were sent", first, len(got), len(theirs))
			}
			work.Wait()
		}
		for _, rec := range r.logged(4) {
			if rec.End != "done" || rec.Server != "cas1" || rec.VIP != "flow" || rec.Attempts != 1 || rec.In < 3<<20 || rec.Out < 5<<20-3 || rec.Duration <= 0 {
				t.Errorf("record %+v", rec)
			}
		}
		if v := r.vipStatus("flow"); v.In != 4*3<<20+6 || v.Out != 4*5<<20-6 || v.Ends["done"] != 4 || v.Accepted != 4 || v.Requests != 0 {
			t.Errorf("status %+v", v)
		}
	})
}

// A client that speaks first, and a server that does: neither waits for the other.
func TestRelayAddsNothing(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newRelay(t, relaySetup{mode: m, servers: []string{s.Addr().String()}, extra: unprobedRPC})
		client := r.wire(t, "127.0.0.2")
		server := s.accept()
		server.say("220 mail\r\n")
		client.want("220 mail\r\n")
		client.say("\x05\x00\x0b")
		server.want("\x05\x00\x0b")
		client.quiet("the server said no more")
		server.quiet("the client said no more")
	})
}

// resets closes a connection so that its peer is told of a reset.
func (w *wire) resets() {
	w.t.Helper()
	if err := w.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		w.t.Fatal(err)
	}
	_ = w.Close()
}

func TestRelayPassesResetsOn(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		r := newRelay(t, relaySetup{mode: m, servers: []string{s.Addr().String()}, extra: unprobedRPC})
		for _, who := range []string{"client", "server"} {
			client := r.wire(t, "127.0.0.2")
			server := s.accept()
			client.say("hello")
			server.want("hello")
			from, to := client, server
			if who == "server" {
				from, to = server, client
			}
			from.resets()
			if b, err := to.in.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the %s resets: the other side reads %q, %v; want a reset", who, b, err)
			}
		}
		for i, rec := range r.logged(2) {
			if want := []string{"client", "server"}[i]; rec.End != want || rec.In != 5 {
				t.Errorf("record %+v; want end %s, 5 octets in", rec, want)
			}
		}
	})
}

// A server that refuses is passed over at once; with none left the client is
// told by a reset, and it is counted.
func TestRelayAvoidsDeadServers(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		live, addresses := origins(t, 1)
		r := newRelay(t, relaySetup{mode: m, servers: append([]string{freeAddress(t)}, addresses...), extra: unprobedRPC})
		for i := range 4 {
			if got := r.visit(fmt.Sprintf("127.0.0.%d", 10+i)); got != "cas1" { // as the only origin calls itself
				t.Errorf("source %d is served by %q", i, got)
			}
		}
		tried := 0
		for _, rec := range r.logged(4) {
			tried += rec.Attempts
			if rec.Server != "cas2" {
				t.Errorf("record %+v; want server cas2", rec)
			}
		}
		if dead := r.node.Status().Pools[0].Servers[0].Services[0]; tried != 6 || dead.Failures != 2 || dead.Active != 0 {
			t.Errorf("%d attempts in 4 connections, %d failures, %d open at the dead server; want 6, 2, 0", tried, dead.Failures, dead.Active)
		}
		live[0].stop()
		conn, err := r.connect("127.0.0.20")
		if err == nil { // else it was faster still
			_, err = newWire(t, conn).in.ReadByte()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("without a server the client gets %v; want a reset", err)
		}
		if v := r.vipStatus("flow"); v.Refused["no_server"] != 1 || v.Ends["no_server"] != 1 {
			t.Errorf("refused %v, ended %v; want one for no server", v.Refused, v.Ends)
		}
	})
}

// S1, S22, S25: a client address keeps its server, over many connections. S26:
// when that server is down another one takes over, and keeps the client when the
// first comes back. The others stay where they are.
func TestRelayKeepsAClientOnItsServer(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		all, addresses := origins(t, 3)
		r := newRelay(t, relaySetup{mode: m, servers: addresses, extra: probedRPC})
		state := func(i int) string { return r.node.Status().Pools[0].Servers[i].Services[0].State }
		r.until("all servers are up", func() bool { return state(0) == "up" && state(1) == "up" && state(2) == "up" })
		home := make(map[string]string)
		spread := make(map[string]int)
		for i := range 9 {
			source := fmt.Sprintf("127.0.1.%d", i+1)
			home[source] = r.visit(source)
			spread[home[source]]++
		}
		if len(spread) != 3 {
			t.Errorf("9 addresses are spread as %v; want all servers", spread)
		}
		stay := func(when string) {
			t.Helper()
			for range 5 {
				for source, server := range home {
					if got := r.visit(source); got != server {
						t.Errorf("%s: %s goes to %s; want %s", when, source, got, server)
					}
				}
			}
		}
		stay("at first")
		lost := slices.IndexFunc(all, func(o *origin) bool { return o.name == home["127.0.1.1"] })
		all[lost].stop()
		r.until("the server is down", func() bool { return state(lost) == "down" })
		for source, server := range home {
			if server == all[lost].name {
				home[source] = r.visit(source)
			}
		}
		stay("with a server down")
		all[lost].start()
		r.until("the server is up", func() bool { return state(lost) == "up" })
		stay("with the server back")
	})
}

// S22, S23, S44: the RPC protocols of one pool are on the ports of their
// profiles, and bring a client to one server although each has its own VIP.
func TestRelayGroup(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		var hosts []string
		for n := 1; len(hosts) < 3 && n < 200; n++ {
			ip := fmt.Sprintf("127.%d.%d.%d", 20+os.Getpid()%200, addresses.Add(1)%250, n)
			first, err := net.Listen("tcp", ip+":59532")
			if err != nil {
				continue // another run has it
			}
			second, err := net.Listen("tcp", ip+":59533")
			_ = first.Close()
			if err != nil {
				continue
			}
			_ = second.Close()
			hosts = append(hosts, ip)
		}
		for _, ip := range hosts {
			newOrigin(t, ip, ip+":59532")
			newOrigin(t, ip, ip+":59533")
		}
		const book = "[[vip]]\nname = \"book\"\ntype = \"tcp\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"rpc_address_book\"]\npool = \"cas\"\n"
		r := newRelay(t, relaySetup{mode: m, servers: hosts, extra: book + probedRPC + strings.Replace(probedRPC, "client_access", "address_book", 1)})
		up := func() bool { return !r.anyService(func(st string) bool { return st != "up" }) }
		r.until("all services are up", up)
		other := *r
		other.plain = r.node.Addrs("book")[0].String()
		for i := range 6 {
			source := fmt.Sprintf("127.0.2.%d", i+1)
			first, second := r, &other
			if i%2 == 1 {
				first, second = second, first
			}
			home := first.visit(source)
			for range 3 {
				if got := second.visit(source); got != home {
					t.Errorf("%s goes to %s and %s", source, home, got)
				}
			}
		}
		if got := r.node.Status().Pools[0].Servers[0].Address; got != hosts[0]+":59532,59533" {
			t.Errorf("the status shows %s; want both ports", got)
		}
	})
}

// A client that a PROXY header names is the one that is bound and recorded.
func TestRelayReadsThePROXYHeader(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		_, addresses := origins(t, 2)
		r := newRelay(t, relaySetup{mode: m, servers: addresses, vip: "accept_proxy_from = [\"127.0.0.0/8\"]\n", extra: unprobedRPC})
		home := make(map[string]string)
		for i := range 6 {
			source := fmt.Sprintf("198.51.100.%d", i%2+1)
			w := r.wire(t, "127.0.0.2")
			w.sayf("PROXY TCP4 %s 192.0.2.10 40000 59532\r\nhello", source)
			server := w.line()
			w.want("hello") // which came with the header
			_ = w.Close()
			if was := home[source]; was != "" && was != server {
				t.Errorf("%s goes to %s and %s", source, was, server)
			}
			home[source] = server
		}
		if home["198.51.100.1"] == home["198.51.100.2"] {
			t.Errorf("both clients go to %s; want them in turn", home["198.51.100.1"])
		}
		for _, rec := range r.logged(6) {
			if !strings.HasPrefix(rec.Client, "198.51.100.") {
				t.Errorf("record of client %s; want the one that the header names", rec.Client)
			}
		}
	})
}

// Silence ends a connection, no sooner than the profile says.
func TestRelayIdle(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		const site = "[profile.site]\nprotocol = \"tcp\"\nidle_timeout = \"200ms\"\n[profile.site.probe]\nkind = \"none\"\n"
		r := newRelay(t, relaySetup{mode: m, profile: "site", servers: []string{s.Addr().String()}, extra: site})
		begin := time.Now()
		_, err := r.wire(t, "127.0.0.2").in.ReadByte()
		if took := time.Since(begin); !errors.Is(err, syscall.ECONNRESET) || took < 200*time.Millisecond {
			t.Errorf("read: %v after %v; want a reset after 200ms or more", err, took)
		}
		if rec := r.logged(1)[0]; rec.End != "idle" || rec.Profile != "site" {
			t.Errorf("record %+v; want end idle", rec)
		}
	})
}

// A connection over a limit is closed without a word: what should be said is not
// casbah's to know.
func TestRelayLimits(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		_, addresses := origins(t, 1)
		r := newRelay(t, relaySetup{
			mode: m, servers: addresses, vip: "connections = 3\n", extra: unprobedRPC + "[limits]\nper_source = 2\n",
		})
		var open []*wire
		for _, source := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3"} {
			open = append(open, r.wire(t, source))
			open[len(open)-1].line()
		}
		for _, source := range []string{"127.0.0.2", "127.0.0.4"} {
			conn, err := r.connect(source)
			if err != nil {
				continue // closed before it knew
			}
			if got, err := io.ReadAll(newWire(t, conn).in); len(got) > 0 {
				t.Errorf("one too many from %s reads %q, %v; want nothing", source, got, err)
			}
		}
		if v := r.vipStatus("flow"); v.Refused["source_limit"] != 1 || v.Refused["vip_limit"] != 1 || v.Accepted != 3 {
			t.Errorf("refused %v of %d let in; want one for each limit", v.Refused, v.Accepted)
		}
		for _, w := range open {
			w.say("x")
			w.want("x")
			_ = w.Close()
		}
		r.until("all are gone", func() bool { return r.vipStatus("flow").Conns == 0 })
		r.visit("127.0.0.4")
	})
}

// A reload that takes the VIP away closes its address; what is relayed goes on.
func TestRelayOutlivesItsVIP(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		_, addresses := origins(t, 1)
		const web = "[[vip]]\nname = \"web\"\ntype = \"http\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\"]\npool = \"cas\"\n"
		r := newRelay(t, relaySetup{mode: m, servers: addresses, extra: unprobedRPC + web + unprobed("owa")})
		w := r.wire(t, "127.0.0.2")
		w.line()
		before, rest, _ := strings.Cut(r.read(), "[[vip]]\nname = \"flow\"")
		_, after, _ := strings.Cut(rest, "[profile.rpc")
		r.reload(before + "[profile.rpc" + after)
		if !refuses(r.plain) {
			t.Error("the address of the VIP is open")
		}
		w.say("still here")
		w.want("still here")
		w.shut()
		w.ends()
		if rec := r.logged(1)[0]; rec.End != "done" || rec.VIP != "flow" || rec.In != 10 {
			t.Errorf("record %+v; want its end under the VIP's name", rec)
		}
	})
}

// A relay has no end of its own: while casbah stops it goes on until it is over
// or the drain timeout is.
func TestRelayStop(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drain time.Duration
		end   string
	}{{"in-time", time.Hour, "done"}, {"too-long", 100 * time.Millisecond, "kill"}} {
		t.Run(tt.name, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				_, addresses := origins(t, 1)
				r := newRelay(t, relaySetup{mode: m, servers: addresses, extra: unprobedRPC, drain: tt.drain})
				w := r.wire(t, "127.0.0.2")
				w.line()
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					r.stop()
				}()
				r.until("the address is closed", func() bool { return refuses(r.plain) })
				if tt.end == "done" {
					w.say("still here")
					w.want("still here")
					w.shut()
					w.ends()
					_ = w.Close()
				} else if _, err := io.ReadAll(w.in); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read: %v; want a reset", err)
				}
				<-stopped
				_, records := r.accessLog() // with those of the looks at the address
				i := slices.IndexFunc(records, func(rec record) bool { return rec.Client == w.LocalAddr().String() })
				if i < 0 || records[i].End != tt.end {
					t.Errorf("records %+v; want one of the relay with end %s", records, tt.end)
				}
			})
		})
	}
}

// A gigabyte passes in constant memory, and a side that does not read stops the
// other.
func TestRelayStreamsInConstantMemory(t *testing.T) {
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			octets := channelOctets
			if testing.Short() {
				octets = 64 << 20
			}
			s := newStub(t)
			r := newRelay(t, relaySetup{mode: mode{engine: engine}, servers: []string{s.Addr().String()}, extra: unprobedRPC})
			c := r.wire(t, "127.0.0.2")
			c.within(5 * time.Minute)
			server := s.accept()
			server.within(5 * time.Minute)
			g := newGauge()
			for _, way := range [][2]*wire{{c, server}, {server, c}} {
				sent := make(chan error, 1)
				go func() { sent <- pour(way[0], octets) }()
				if err := drain(way[1].in, octets); err != nil {
					t.Fatal(err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			if n := g.grown(); n > bound {
				t.Errorf("the heap grew by %d octets for 2 times %d; want at most %d", n, octets, bound)
			}
			stops(t, c, server)
			stops(t, server, c)
		})
	}
}

// Page and status show VIPs that relay, and their services.
func TestRelayIsShown(t *testing.T) {
	_, addresses := origins(t, 2)
	r := newRelay(t, relaySetup{servers: addresses, extra: probedRPC})
	w := r.wire(t, "127.0.0.2")
	w.line()
	show := func(path string) string {
		out := httptest.NewRecorder()
		h := admin.New(r.node, admin.Options{Loopback: true})
		h.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil))
		return out.Body.String()
	}
	page := show("/")
	for _, want := range []string{"<b>flow</b>", `<span class="tag">tcp</span>`, "rpc_client_access on cas1", "All well: 1 protocol on 2 servers."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q:\n%s", want, page)
		}
	}
	var st admin.Status
	if err := json.Unmarshal([]byte(show("/api/v1/status")), &st); err != nil {
		t.Fatal(err)
	}
	v, server := st.VIPs[0], st.Pools[0].Servers[0]
	if v.Type != "tcp" || !v.Up || v.Connections != 1 || !slices.Equal(v.Profiles, []string{"rpc_client_access"}) ||
		server.Services[0].Probe != "TCP connection" || server.Active != 1 || server.Requests != 1 {
		t.Errorf("VIP %+v, server %+v; want one connection to it", v, server)
	}
}
