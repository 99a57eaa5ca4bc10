package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casbah/lab"
	"casbah/node"
)

// quick has a probe that ships asked often, so that what it finds shows soon.
const quick = "interval = \"200ms\"\ntimeout = \"190ms\"\nrise = 1\nfall = 1\n"

// healthPage is the probe of a profile as of Exchange 2013.
func healthPage(profile, directory string) string {
	return fmt.Sprintf("[profile.%s.probe]\npath = \"/%s/healthcheck.htm\"\n%s", profile, directory, quick)
}

// service returns the status of one profile on one server.
func (r *rig) service(server, profile string) node.ServiceStatus {
	r.t.Helper()
	for _, s := range r.node.Status().Pools[0].Servers {
		for _, v := range s.Services {
			if s.Name == server && v.Profile == profile {
				return v
			}
		}
	}
	r.t.Fatalf("no %s on %s", profile, server)
	return node.ServiceStatus{}
}

// becomes waits for a state of a service.
func (r *rig) becomes(server, profile, state string) {
	r.t.Helper()
	r.until(profile+" on "+server+" is "+state, func() bool { return r.service(server, profile).State == state })
}

// order gives the lab an order.
func (r *rig) order(words ...string) {
	r.t.Helper()
	if err := r.array.Order(words...); err != nil {
		r.t.Fatal(err)
	}
}

// When OWA alone is broken on a server, only OWA moves: what else its clients do
// there stays there.
func TestOnlyTheBrokenProtocolMoves(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{
			mode: m, lab: lab.Options{Servers: 2}, pool: `algorithm = "round_robin"`,
			extra: healthPage("owa", "owa") + healthPage("eas", "Microsoft-Server-ActiveSync") + healthPage("oab", "OAB"),
		})
		// Each profile has its own turn, so that clients of the same turn share a server.
		clients := make(map[string]*client)
		for i := range 4 {
			c := r.client(fmt.Sprintf("127.0.0.%d", 20+i))
			c.CheckRedirect = noRedirect
			clients[one(t, []string{c.get("/owa/auth/logon.aspx").server})] = c
		}
		const broken = "cas1"
		c := clients[broken]
		phone := func() string {
			return c.do("OPTIONS", "/Microsoft-Server-ActiveSync", "", "Authorization", basicAlice).server
		}
		book := func() string { return c.get("/OAB/").server }
		phoneAt, bookAt := phone(), book()
		r.order(broken, "owa", "503")
		r.becomes(broken, "owa", "down")
		for range 3 {
			if got := c.get("/owa/auth/logon.aspx").server; got != "cas2" {
				t.Errorf("OWA is served by %q; want cas2", got)
			}
			if got := phone(); got != phoneAt {
				t.Errorf("the phone is served by %q; want %s as before", got, phoneAt)
			}
			if got := book(); got != bookAt {
				t.Errorf("the address book is served by %q; want %s as before", got, bookAt)
			}
		}
		for _, s := range r.node.Status().Pools[0].Servers {
			for _, v := range s.Services {
				want := "up"
				if s.Name == broken && v.Profile == "owa" {
					want = "down"
				}
				if v.State != want {
					t.Errorf("%s on %s is %s; want %s", v.Profile, s.Name, v.State, want)
				}
			}
		}
		r.order(broken, "owa", "ok")
		r.becomes(broken, "owa", "up")
	})
}

const basicAlice = "Basic YWxpY2U6U2VjcmV0MQ=="

// A server that is taken out of service in an orderly way keeps the clients that
// it has, and draws no others; when it is stopped then, it is down, and they move.
func TestServerWideOfflineDrains(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{
			mode: m, lab: lab.Options{Servers: 2}, profiles: `"owa", "ews"`, extra: healthPage("owa", "owa") + healthPage("ews", "EWS"),
		})
		c := r.client("127.0.0.2")
		c.logon("alice", "Secret1")
		home := one(t, c.pages(2))
		r.order(home, "offline")
		r.becomes(home, "owa", "drain")
		r.becomes(home, "ews", "drain")
		if s := r.service(home, "owa"); s.ProbeCause.String() != "off" || !strings.Contains(s.ProbeError, "taken it out of service") {
			t.Errorf("the probe says %q, %v", s.ProbeError, s.ProbeCause)
		}
		if got := one(t, c.pages(5)); got != home {
			t.Errorf("who is logged in is served by %s; want %s", got, home)
		}
		for i := range 4 {
			if got := r.client(fmt.Sprintf("127.0.0.%d", 30+i)).get("/owa/").server; got == home || got == "" {
				t.Errorf("a new client is served by %q; want the other server", got)
			}
		}
		cas, _ := r.array.Named(home)
		cas.Stop()
		r.becomes(home, "owa", "down")
		c.CheckRedirect = noRedirect
		if a := c.get("/owa/?page=2"); a.server == home || a.server == "" {
			t.Errorf("after the stop: status %d by %q; want the other server", a.status, a.server)
		}
		r.order(home, "ok")
		r.becomes(home, "owa", "up")
	})
}

// One protocol that a server takes out of service, while its others work, is a
// fault of that one: clients that are bound to it move.
func TestOneComponentOffIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{lab: lab.Options{Servers: 2}, profiles: `"owa", "ews"`, extra: healthPage("owa", "owa") + healthPage("ews", "EWS")})
	r.order("cas1", "owa", "offline")
	r.becomes("cas1", "owa", "down")
	if s := r.service("cas1", "ews"); s.State != "up" {
		t.Errorf("ews is %s; want up", s.State)
	}
	r.until("it is told", func() bool {
		for _, e := range r.node.Status().Events {
			if strings.HasSuffix(e.Text, "and the server's other services work") {
				return true
			}
		}
		return false
	})
}

// A server whose health page names another one is not where its address leads.
func TestMisroutedServerIsDown(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{Servers: 2}, profiles: `"owa"`, extra: healthPage("owa", "owa")})
		text := r.read()
		for _, cas := range r.array.Servers() {
			text = strings.Replace(text, fmt.Sprintf("name = %q\n", cas.Name()), fmt.Sprintf("name = %q\nfqdn = %q\n", cas.Name(), strings.ToLower(cas.FQDN())), 1)
		}
		r.write(text)
		if err := r.node.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		right := r.service("cas2", "owa").Probes.Right
		r.until("the names are compared", func() bool { return r.service("cas2", "owa").Probes.Right > right })
		r.order("cas1", "name", "cas2")
		r.becomes("cas1", "owa", "down")
		s := r.service("cas1", "owa")
		if want := "misrouted: want an answer of cas1.lab.test, got one of CAS2.lab.test: is the server's address right?"; s.ProbeError != want || s.ProbeCause.String() != "misrouted" {
			t.Errorf("the probe says %q, %v; want %q", s.ProbeError, s.ProbeCause, want)
		}
		for i := range 4 {
			if got := r.client(fmt.Sprintf("127.0.0.%d", 40+i)).get("/owa/").server; got != "cas2" {
				t.Errorf("a client is served by %q; want cas2", got)
			}
		}
		r.order("cas1", "name", "cas1")
		r.becomes("cas1", "owa", "up")
	})
}

// deepProbes log in to a directory, in each of its ways.
const deepProbes = `
[profile.eas.deep_probe]
user = 'LAB\probe'
password_file = "probe.words"
interval = "1s"
timeout = "900ms"
[profile.ews.deep_probe]
user = 'LAB\probe'
password_file = "probe.words"
interval = "1s"
timeout = "900ms"
`

// A server that lets nobody to the mailboxes is down, although it asks who is
// there; and an account that nobody lets in takes no server down.
func TestDeepProbesJudgeMailboxes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	words := filepath.Join(dir, "probe.words")
	if err := os.WriteFile(words, []byte(lab.ProbePassword), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, setup{
		lab: lab.Options{Servers: 2}, profiles: `"eas", "ews"`,
		extra: healthPage("eas", "Microsoft-Server-ActiveSync") + healthPage("ews", "EWS") + strings.ReplaceAll(deepProbes, "probe.words", words),
	})
	for _, profile := range []string{"eas", "ews"} {
		r.until(profile+" is let in", func() bool {
			return r.service("cas1", profile).Deep.Probes.Right > 0 && r.service("cas2", profile).Deep.Probes.Right > 0
		})
	}
	if err := r.array.CAS(0).FaultBehind("eas", lab.Status(http.StatusServiceUnavailable)); err != nil {
		t.Fatal(err)
	}
	r.becomes("cas1", "eas", "down")
	if s := r.service("cas1", "eas"); s.ProbeError != "" || s.Deep.Error != "want status 200, got 503 Service Unavailable" || r.service("cas1", "ews").State != "up" {
		t.Errorf("the probe says %q, the deep one %q", s.ProbeError, s.Deep.Error)
	}
	r.array.CAS(0).Heal("eas")
	r.becomes("cas1", "eas", "up")
	r.order("account", "probe", "refuse")
	r.until("the account rests", func() bool { return r.service("cas1", "eas").Deep.Rests })
	for _, server := range []string{"cas1", "cas2"} {
		for _, profile := range []string{"eas", "ews"} {
			if s := r.service(server, profile); s.State != "up" || !s.Deep.Rests {
				t.Errorf("%s on %s is %s, the account rests %v; want up, true", profile, server, s.State, s.Deep.Rests)
			}
		}
	}
}

// rare has a probe asked so rarely that no test waits for it.
const rare = "[profile.owa.probe]\npath = \"/owa/\"\nexpect = [200, 302]\ninterval = \"10m\"\ntimeout = \"5s\"\nrise = 1\nfall = 1\n"

// A refused connection, a reset and garbage that traffic meets bring the next probe
// forward, with each driver: what is broken is found without waiting for its turn.
func TestTrafficBringsTheProbeForward(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"stop", "owa/reset/0", "owa/garbage"} {
		t.Run(strings.ReplaceAll(fault, "/", "-"), func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newRig(t, setup{mode: m, lab: lab.Options{Servers: 2}, profiles: `"owa"`, extra: rare})
				c := r.client("127.0.0.2")
				c.CheckRedirect = noRedirect
				home := c.get("/owa/").server
				r.order(append([]string{home}, strings.Split(fault, "/")...)...)
				if s := r.service(home, "owa"); s.State != "up" {
					t.Fatalf("the service is %s before anybody asks", s.State)
				}
				c.get("/owa/")
				r.becomes(home, "owa", "down")
				if s := r.service(home, "owa"); s.Failures == 0 {
					t.Error("no failure is counted")
				}
			})
		})
	}
}

// A probe shows the host of the VIP, and asks TLS for the name of the pool, as
// connections of clients do.
func TestProbesAskAsClientsDo(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{
		lab: lab.Options{Servers: 1, TLS: true}, profiles: `"owa"`, vip: `hosts = ["localhost", "mail.example.org"]`,
		extra: healthPage("owa", "owa"),
	})
	answers, err := r.node.Probe(t.Context(), node.ProbeFilter{Server: "cas1"})
	if err != nil || len(answers) != 1 || answers[0].Verdict != "up" {
		t.Fatalf("Probe() = %+v, %v", answers, err)
	}
	var said strings.Builder
	for _, line := range answers[0].Dialogue {
		said.WriteString(line.By + " " + line.Text + "\n")
	}
	for _, want := range []string{"\nprobe Host: localhost\n", "asked for localhost", "\nserver 200 OK<br/>CAS1.lab.test\n"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the dialogue lacks %q:\n%s", want, said.String())
		}
	}
}
