package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
)

// tcpVIP is a VIP that relays.
func tcpVIP(name, listen, profile string) string {
	return fmt.Sprintf("[[vip]]\nname = %q\ntype = \"tcp\"\nlisten = [%q]\nprofiles = [%q]\npool = \"cas\"\n", name, listen, profile)
}

// built returns the snapshot of a configuration, and its VIPs by name.
func built(t *testing.T, text string) (*snapshot, map[string]*route.VIP) {
	t.Helper()
	conf, _, err := profiles.Parse("casbah.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	table := persistence.NewTable(persistence.TableOptions{PerCore: 1000, Cores: 1})
	snap, err := newLive(table, persistence.Secret{}).build(conf, []byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	vips := make(map[string]*route.VIP)
	for _, v := range snap.vips {
		vips[v.conf.Name] = v.route
	}
	return snap, vips
}

// One pool may serve requests and several relayed protocols, each on its port.
func TestPortsOfARelay(t *testing.T) {
	snap, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "[2001:db8::12]:1135", "")+fmt.Sprintf(vipText, "mail")+
		tcpVIP("rpc", "127.0.0.1:0", "rpc_client_access")+tcpVIP("mapper", "127.0.0.1:1135", "rpc_endpoint_mapper")+
		tcpVIP("imap", "127.0.0.1:143", "imap4")+tcpVIP("imaps", "127.0.0.1:993", "imap4"))
	for vip, want := range map[string]string{
		"mail": "192.0.2.11:80", "rpc": "192.0.2.11:59532", "mapper": "192.0.2.11:135", "imap": "192.0.2.11:143", "imaps": "192.0.2.11:993",
	} {
		c := vips[vip].Profiles[0].Candidates
		if c[0].Endpoint.Target != want || c[1].Endpoint.Target != "[2001:db8::12]:1135" {
			t.Errorf("%s reaches its servers at %s and %s; want %s and the port of the server's own", vip, c[0].Endpoint.Target, c[1].Endpoint.Target, want)
		}
	}
	for i, want := range []string{"192.0.2.11:80,59532,135,143,993", "[2001:db8::12]:1135"} {
		if got := addressOf(snap, "cas", &snap.config.Servers[i]); got != want {
			t.Errorf("the status shows %s; want %s", got, want)
		}
	}
	if got := addressOf(snap, "other", &snap.config.Servers[0]); got != "192.0.2.11" {
		t.Errorf("of a pool without a VIP the status shows %s; want the address alone", got)
	}
}

// S44: the profiles of a group keep a client on one server although each
// has a VIP of its own, by the health of the lead.
func TestGroupAcrossVIPs(t *testing.T) {
	_, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "algorithm = \"round_robin\"")+
		tcpVIP("ab", "127.0.0.1:0", "rpc_address_book")+tcpVIP("rpc", "127.0.0.1:0", "rpc_client_access")+tcpVIP("pop", "127.0.0.1:0", "pop3"))
	lead, follower := vips["rpc"].Profiles[0], vips["ab"].Profiles[0]
	if lead.Lead != nil || follower.Lead != lead || vips["pop"].Profiles[0].Lead != nil {
		t.Fatalf("the leads are %v, %v, %v; want that of the address book alone", lead.Lead, follower.Lead, vips["pop"].Profiles[0].Lead)
	}
	for _, p := range []*route.Profile{lead, follower} {
		for i := range p.Candidates {
			p.Candidates[i].Service.SetState(time.Now(), balance.Up)
		}
	}
	client := netip.MustParseAddr("198.51.100.7")
	goes := func(p *route.Profile) (server, why string) {
		now := time.Now().UnixNano()
		var d route.Decision
		p.Decide(now, &route.Request{Source: client}, &d)
		d.Commit(now)
		d.Release(now)
		return d.Server(), d.Why()
	}
	home, _ := goes(lead)
	for range 3 {
		if server, why := goes(follower); server != home || why != "bound" {
			t.Fatalf("the address book goes to %s (%s); want %s", server, why, home)
		}
	}
	at := 0
	if home == "cas2" {
		at = 1
	}
	follower.Candidates[at].Service.SetState(time.Now(), balance.Down)
	if server, why := goes(follower); server == home || why != "aside" {
		t.Errorf("down on %s alone, the address book goes to %s (%s); want the other, aside", home, server, why)
	}
	if server, why := goes(lead); server != home || why != "bound" {
		t.Errorf("then the lead goes to %s (%s); want %s", server, why, home)
	}
	follower.Candidates[at].Service.SetState(time.Now(), balance.Up)
	lead.Candidates[at].Service.SetState(time.Now(), balance.Down)
	if server, why := goes(follower); server == home || why != "rebound_down" {
		t.Errorf("with the lead down on %s the address book goes to %s (%s); want the other, rebound_down", home, server, why)
	}
	for range 4 { // who comes anew is not bound to a server that is no good to the group
		client = client.Next()
		if server, why := goes(follower); server == home || why != "fresh" {
			t.Errorf("with the lead down on %s a new client goes to %s (%s); want the other", home, server, why)
		}
	}
	other := lead.Candidates[1-at].Service
	other.SetState(time.Now(), balance.Down)
	client = client.Next()
	if server, _ := goes(follower); server == "" {
		t.Error("with the lead down everywhere the address book is served nowhere")
	}
}

// A VIP that gets another type is another VIP of that name: requests are answered
// once more, relayed connections go on, new connections speak the new protocol.
func TestVIPThatChangesItsType(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	pool := fmt.Sprintf(poolText, server.Addr(), server.Addr(), "")
	const probes = unprobed + "[profile.rpc_client_access.probe]\nkind = \"none\"\n"
	web, flow := pool+fmt.Sprintf(vipText, "mail")+probes, pool+tcpVIP("mail", "127.0.0.2:0", "rpc_client_access")+probes
	r := newRig(t, t.TempDir(), web)
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	request := open(t, r)
	if closes := ask(t, request, server); closes {
		t.Error("an answer before the reload closes its connection")
	}

	r.reloads(flow)
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	if closes := ask(t, request, server); !closes {
		t.Error("after the reload an answer leaves its connection open")
	}
	if _, err := request.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read: %v; want the end", err)
	}
	relayed := open(t, r)
	upstream := accepted(t, server)
	talk(t, relayed, upstream, "not HTTP\n")

	r.reloads(web)
	talk(t, relayed, upstream, "still\n")
	talk(t, upstream, relayed, "here\n")
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	ask(t, open(t, r), server)
	_ = request.Close()
	r.until("the first connection is counted out", func() bool { return r.Status().VIPs[0].Conns == 2 })
	if v := r.Status().VIPs[0]; v.Type != "http" || v.Requests != 3 || v.Accepted != 3 {
		t.Errorf("status %+v; want type http, 3 connections, 3 requests", v)
	}
}

func (r *rig) reloads(text string) {
	r.t.Helper()
	r.write(text)
	if err := r.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// open connects to the VIP.
func open(t *testing.T, r *rig) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addrs("mail")[0].String())
	return patient(t, c, err)
}

func accepted(t *testing.T, server net.Listener) net.Conn {
	t.Helper()
	c, err := server.Accept()
	return patient(t, c, err)
}

// patient gives a connection a test's patience, and closes it behind the test.
func patient(t *testing.T, c net.Conn, err error) net.Conn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// talk has one side say text to the other.
func talk(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

// ask sends a request, which server answers, and reports whether the answer
// closes its connection.
func ask(t *testing.T, client net.Conn, server net.Listener) (closes bool) {
	t.Helper()
	if _, err := io.WriteString(client, "GET /owa/ HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	upstream := accepted(t, server)
	if _, err := http.ReadRequest(bufio.NewReader(upstream)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(upstream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Close
}

// Where casbah ends TLS or begins it, servers are on the port of what they hear.
func TestPortsWhereTLSChanges(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, time.Now(), time.Now().Add(time.Hour))
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	terminated := func(name, listen, profile, pool string) string {
		return fmt.Sprintf("[[vip]]\nname = %q\ntype = \"tls\"\nlisten = [%q]\nprofiles = [%q]\npool = %q\ncertificate = [{ cert = %q, key = %q }]\n",
			name, listen, profile, pool, cert, key)
	}
	snap, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "")+
		"[[pool]]\nname = \"safe\"\nservers = [\"cas1\"]\nupstream_tls = \"on\"\nproxy_protocol = \"v1\"\n"+
		terminated("imaps", "127.0.0.1:993", "imap4", "cas")+terminated("pops", "127.0.0.1:995", "pop3", "safe")+
		terminated("rpc", "127.0.0.1:1", "rpc_client_access", "safe")+
		strings.Replace(tcpVIP("imap", "127.0.0.1:143", "imap4"), `"cas"`, `"safe"`, 1))
	for vip, want := range map[string]string{
		"imaps": "192.0.2.11:143", "pops": "192.0.2.11:995", "rpc": "192.0.2.11:59532", "imap": "192.0.2.11:993",
	} {
		e := vips[vip].Profiles[0].Candidates[0].Endpoint
		if safe := vip != "imaps"; e.Target != want || (e.TLS != nil) != safe || (e.ProxyProtocol == 1) != safe {
			t.Errorf("VIP %s: endpoint %s, TLS %v, header %d; want %s, %v", vip, e.Target, e.TLS != nil, e.ProxyProtocol, want, safe)
		}
	}
	for _, v := range snap.vips {
		if terminates := v.conf.Type == "tls"; (v.tls != nil) != terminates || (v.certs != nil) != terminates {
			t.Errorf("VIP %s: certificates %v; want them where TLS ends", v.conf.Name, v.certs != nil)
		}
	}
}
