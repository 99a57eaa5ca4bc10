package node

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/health"
	"casbah/profiles"
)

// datagramServer answers each datagram with its name and what it heard. It returns
// its address.
func datagramServer(t *testing.T, name, at string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(append([]byte(name+" "), buf[:n]...), from)
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		work.Wait()
	})
	return conn.LocalAddr().String()
}

// flowConfig is a site with a udp VIP of that address; more are keys of the VIP, rest
// stands behind it.
func flowConfig(one, two, listen, more, rest string) string {
	return fmt.Sprintf(poolText, one, two, "algorithm = \"round_robin\"\nport = 53") + fmt.Sprintf(`
[[vip]]
name = "flows"
type = "udp"
listen = [%q]
profiles = ["dns"]
pool = "cas"
%s
[profile.dns]
protocol = "udp"
idle_timeout = "1m"
%s
`, listen, more, rest)
}

// chainBy is a chain of one step.
func chainBy(step string) string { return fmt.Sprintf("[[profile.dns.chain]]\nby = %q\n", step) }

// flowRig starts a node whose servers all take traffic, so that turns are even.
func flowRig(t *testing.T, text string) *rig {
	t.Helper()
	r := newRig(t, t.TempDir(), text)
	r.until("all services are up", func() bool {
		for _, server := range r.Status().Pools[0].Servers {
			for _, service := range server.Services {
				if service.State != "up" {
					return false
				}
			}
		}
		return true
	})
	return r
}

// caller is a client of a udp VIP.
type caller struct {
	*net.UDPConn
	t *testing.T
}

func call(t *testing.T, from, to string, port uint16) *caller {
	t.Helper()
	local := &net.UDPAddr{IP: net.ParseIP(from)}
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(to), port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, t}
}

// ask returns which server answers.
func (c *caller) ask(text string) string {
	c.t.Helper()
	c.send(text)
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	server, got, _ := strings.Cut(string(buf[:n]), " ")
	if got != text {
		c.t.Fatalf("%s heard %q; want %q", server, got, text)
	}
	return server
}

func (c *caller) send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// S36, S42, S43: the address steps on a udp VIP, over real sockets. Servers take
// turns, so who is not bound goes to the one that was not last.
func TestFlowsStick(t *testing.T) {
	const me, you, here, there = "127.0.0.2", "127.0.0.3", "127.0.0.8", "127.0.0.9"
	for _, tt := range []struct {
		step      string
		port      bool // another port of the client goes to the same server
		client    bool // another client does
		elsewhere bool // the client does that calls another address
	}{
		{"source_ip", true, false, true},
		{"dest_ip", true, true, false},
		{"src_dest_ip", true, false, false},
		{"none", false, false, false},
	} {
		t.Run(tt.step, func(t *testing.T) {
			one, two := datagramServer(t, "cas1", "127.0.0.1:0"), datagramServer(t, "cas2", "[::1]:0")
			r := flowRig(t, flowConfig(one, two, "0.0.0.0:0", "", chainBy(tt.step)))
			port := r.Addrs("flows")[0].Port()
			home := call(t, me, here, port).ask("first")
			same := func(what, from, to string, want bool) {
				t.Helper()
				if got := call(t, from, to, port).ask(what); (got == home) != want {
					t.Errorf("%s goes to %s; home is %s", what, got, home)
				}
			}
			same("another port", me, here, tt.port)
			if tt.port { // else turns have no meaning here
				same("another client", you, here, tt.client)
				same("port after client", me, here, true)
			}
			switch {
			case tt.step == "src_dest_ip":
				same("another client at another address", you, there, true) // its turn
				same("another address", me, there, false)
			case tt.port:
				same("another address", me, there, tt.elsewhere)
			}
			v := r.Status().VIPs[0]
			if v.Type != "udp" || !v.Up || v.Conns != int64(v.Accepted) || v.Out != v.In+5*v.Accepted || r.Status().Connections != int(v.Conns) {
				t.Errorf("status %+v", v)
			}
		})
	}
}

// S109 for datagrams: flows are shared by weight, their octets unread.
func TestFlowsByWeight(t *testing.T) {
	one, two := datagramServer(t, "cas1", "127.0.0.1:0"), datagramServer(t, "cas2", "127.0.0.1:0")
	config := flowConfig(one, two, "127.0.0.1:0", "", chainBy("none"))
	config = strings.Replace(config, "name = \"cas1\"\n", "name = \"cas1\"\nweight = 75\n", 1)
	config = strings.Replace(config, "name = \"cas2\"\n", "name = \"cas2\"\nweight = 25\n", 1)
	r := flowRig(t, config)
	count := make(map[string]int)
	for range 40 {
		count[call(t, "127.0.0.2", "127.0.0.1", r.Addrs("flows")[0].Port()).ask("\x00\xff\r\n")]++
	}
	if count["cas1"] != 30 || count["cas2"] != 10 {
		t.Errorf("flows went to %v; want 30 and 10", count)
	}
}

// What is open survives a reload, with its server, and lives on where the VIP is
// gone; a new flow goes by the new configuration.
func TestFlowsSurviveAReload(t *testing.T) {
	one, two := datagramServer(t, "cas1", "127.0.0.1:0"), datagramServer(t, "cas2", "127.0.0.1:0")
	config := flowConfig(one, two, "127.0.0.1:0", "", chainBy("source_ip"))
	r := flowRig(t, config)
	port := r.Addrs("flows")[0].Port()
	c := call(t, "127.0.0.2", "127.0.0.1", port)
	home := c.ask("before")

	single := strings.Replace(config, `servers = ["cas1", "cas2"]`, `servers = ["cas2"]`, 1)
	if home == "cas2" {
		single = strings.Replace(config, `servers = ["cas1", "cas2"]`, `servers = ["cas1"]`, 1)
	}
	r.reloads(single)
	if got := r.Addrs("flows")[0].Port(); got != port {
		t.Fatalf("after the reload the port is %d; want %d", got, port)
	}
	if got := c.ask("after"); got != home {
		t.Errorf("after a reload without its server the flow is at %s; want %s", got, home)
	}
	if got := call(t, "127.0.0.2", "127.0.0.1", port).ask("new"); got == home {
		t.Errorf("a new flow goes to %s, which is gone", got)
	}

	gone := fmt.Sprintf(poolText, one, two, "") + fmt.Sprintf(vipText, "mail") + unprobed
	r.reloads(gone)
	if got := c.ask("gone"); got != home {
		t.Errorf("without its VIP the flow is at %s; want %s", got, home)
	}
	if l := r.Status().Leaving; len(l) != 1 || l[0].VIP != "flows" || l[0].Connections != 2 {
		t.Errorf("leaving are %+v; want two flows of the VIP", l)
	}
	refused := r.live.vipCounters("flows")
	call(t, "127.0.0.2", "127.0.0.1", port).send("late")
	r.until("a new flow is refused", func() bool { return sum(refused.Refused[:]) == 1 })

	// The VIP comes back at its address: what is left there makes room.
	r.reloads(flowConfig(one, two, fmt.Sprintf("127.0.0.1:%d", port), "", ""))
	if v := r.Status().VIPs[0]; v.Conns != 0 || v.Ends["kill"] != 2 {
		t.Errorf("status %+v; want no flow, two ended", v)
	}
	c.ask("anew")
}

func sum(all []atomic.Uint64) (n uint64) {
	for i := range all {
		n += all[i].Load()
	}
	return n
}

// A tcp and a udp VIP may have one port, and each stays what it is.
func TestFlowsBesideConnections(t *testing.T) {
	one := datagramServer(t, "cas1", "127.0.0.1:0")
	free, err := net.Listen("tcp", "127.0.0.77:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	_ = free.Close()
	r := flowRig(t, flowConfig(one, one, at, "", "")+
		tcpVIP("conns", at, "rpc_client_access")+"[profile.rpc_client_access.probe]\nkind = \"none\"\n")
	if got := []string{r.Addrs("flows")[0].String(), r.Addrs("conns")[0].String()}; !slices.Equal(got, []string{at, at}) {
		t.Fatalf("the VIPs listen on %v; want both on %s", got, at)
	}
	call(t, "127.0.0.2", "127.0.0.77", r.Addrs("flows")[0].Port()).ask("hello")
	if c, err := net.Dial("tcp", at); err == nil { // no server takes it, so it may be reset before it knows
		_ = c.Close()
	}
	r.until("the connection and the flow are counted", func() bool {
		v := r.Status().VIPs
		return v[0].Accepted == 1 && v[1].Accepted == 1
	})
}

// Connections of the VIP, of the process, and per_source.
func TestFlowLimits(t *testing.T) {
	for _, tt := range []struct{ name, vip, site, cause string }{
		{"vip", "connections = 2", "", "vip_limit"},
		{"source", "", "[limits]\nper_source = 2\n", "source_limit"},
		{"process", "", "[limits]\nconnections = 2\n", "connection_limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := datagramServer(t, "cas1", "127.0.0.1:0")
			config := flowConfig(one, one, "127.0.0.1:0", tt.vip, "")
			r := flowRig(t, tt.site+config)
			port := r.Addrs("flows")[0].Port()
			open := []*caller{call(t, "127.0.0.2", "127.0.0.1", port), call(t, "127.0.0.2", "127.0.0.1", port)}
			for _, c := range open {
				c.ask("hello")
			}
			r.until("both are answered", func() bool { return r.Status().VIPs[0].Out == 20 })
			extra := call(t, "127.0.0.2", "127.0.0.1", port)
			extra.send("too many")
			r.until("it is refused", func() bool { return r.Status().VIPs[0].Refused[tt.cause] >= 1 })
			open[0].ask("still")
			if v := r.Status().VIPs[0]; v.Conns != 2 || v.Accepted != 2 {
				t.Errorf("status %+v; want 2 flows", v)
			}
			if tt.name == "vip" {
				r.reloads(strings.Replace(config, tt.vip, "connections = 3", 1))
				extra.ask("now")
			}
		})
	}
}

// S95 for flows: a server where nobody listens is left with the next datagram.
func TestFlowsLeaveADeadServer(t *testing.T) {
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	two := datagramServer(t, "cas2", "127.0.0.1:0")
	r := flowRig(t, flowConfig(dead.LocalAddr().String(), two, "127.0.0.1:0", "", chainBy("source_ip")))
	port := r.Addrs("flows")[0].Port()
	service := r.live.service(serviceKey{"cas", "dns", "cas1"})
	for range 2 { // in turn, one of them begins at cas1
		c := call(t, "127.0.0.2", "127.0.0.1", port)
		failures := service.Failures.Load()
		c.send("lost")
		r.until("the server fails, or the other one answers", func() bool {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, _ := c.Read(make([]byte, 64))
			return n > 0 || service.Failures.Load() > failures
		})
		if got := c.ask("found"); got != "cas2" {
			t.Errorf("the flow goes to %s; want cas2", got)
		}
	}
	if n := service.Failures.Load(); n == 0 || service.Active.Load() != 0 {
		t.Errorf("%d failures of the dead server, %d flows; want some, none", n, service.Active.Load())
	}
}

// A stop lets flows go on for the drain, and then ends them.
func TestStopEndsFlows(t *testing.T) {
	one := datagramServer(t, "cas1", "127.0.0.1:0")
	r := flowRig(t, flowConfig(one, one, "127.0.0.1:0", "", ""))
	port := r.Addrs("flows")[0].Port()
	c := call(t, "127.0.0.2", "127.0.0.1", port)
	c.ask("before")
	var stopped sync.WaitGroup
	stopped.Go(func() { r.Stop(2 * time.Second) })
	r.until("the node stops", func() bool { return !r.Ready() && len(r.Status().Leaving) == 1 })
	if got := c.ask("meanwhile"); got != "cas1" {
		t.Errorf("during the drain the flow goes to %s", got)
	}
	counters := r.live.vipCounters("flows")
	call(t, "127.0.0.2", "127.0.0.1", port).send("late")
	r.until("a new flow is refused", func() bool { return sum(counters.Refused[:]) == 1 })
	stopped.Wait()
	if got := r.Status().VIPs[0]; got.Conns != 0 || got.Ends["kill"] != 1 {
		t.Errorf("status %+v; want the flow ended", got)
	}
	if !bytes.Contains([]byte(r.log.String()), []byte("flows: 1 connections")) {
		t.Errorf("the log does not say what was open:\n%s", r.log.String())
	}
}

// A udp profile that says nothing of a probe is not probed; tcp is a connection.
func TestProbesOfFlows(t *testing.T) {
	conf := flowConfig("192.0.2.11", "192.0.2.12", "127.0.0.1:0", "", "")
	snap, vips := built(t, conf)
	if _, ok := newProbe(&snap.plans[0]).(health.NoProbe); !ok || vips["flows"].Profiles[0].Candidates[0].Endpoint.Target != "192.0.2.11:53" {
		t.Errorf("the plan is %+v; want nothing asked of 192.0.2.11:53", snap.plans[0])
	}
	snap, _ = built(t, conf+"[profile.dns.probe]\nkind = \"tcp\"\n")
	if _, ok := newProbe(&snap.plans[0]).(*health.TCPProbe); !ok {
		t.Errorf("the plan is %+v; want a connection", snap.plans[0])
	}
	if _, _, err := profiles.Parse("casbah.toml", []byte(conf+"[profile.dns.probe]\nkind = \"http\"\npath = \"/\"\n")); err == nil {
		t.Error("an http probe of a udp profile is taken")
	}
}
