package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// guideCommands is how many commands the guide of `casbah lab` has. Each is
// tried here, as it is printed.
const guideCommands = 21

// TestRealGuide does what the guide says and sees what the guide says.
func TestRealGuide(t *testing.T) {
	t.Parallel()                     // it waits most of the time
	for _, engine := range drivers { // each with a lab in which nothing has happened
		t.Run(engine, func(t *testing.T) { newGuide(curlLab(t).front(engine)).follow() })
	}
}

// follow goes through the guide.
func (g *guide) follow() {
	t := g.t
	if len(g.commands) != guideCommands {
		t.Fatalf("the guide has %d commands; want %d:\n%s", len(g.commands), guideCommands, g.guide)
	}
	home := g.login()
	g.ntlm()
	g.push()
	g.stream()
	if out := g.run(g.command("RPC_OUT_DATA")); out != "HTTP/1.1 200 Success\r\n" {
		t.Errorf("echo: %q", out)
	}
	g.fault()
	g.stop(home)
	g.components()
	if out := g.run(g.command("smtp://")); !strings.Contains(out, "250 2.6.0") {
		t.Errorf("SMTP: %q", out)
	}
	g.mail("pop3://")
	g.mail("imap://")
	if out := g.run(g.command("learned")); strings.Count(out, `"interface": "emsmdb",`) != 3 || strings.Count(out, `"port": `) != 3 {
		t.Errorf("learned ports:\n%s", out)
	}
}

// guide runs the commands that a lab has printed.
type guide struct {
	*process
	dir      string
	commands []string
}

// newGuide reads the commands: the lines that begin with curl, and the lines on
// which they go on.
func newGuide(p *process) *guide {
	g := &guide{process: p, dir: p.t.TempDir()}
	text := strings.ReplaceAll(p.guide, "\\\n", "")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			g.commands = append(g.commands, line)
		}
	}
	return g
}

// command returns the one command that holds all words.
func (g *guide) command(words ...string) string {
	g.t.Helper()
	var found []string
	for _, c := range g.commands {
		holds := true
		for _, w := range words {
			holds = holds && strings.Contains(c, w)
		}
		if holds {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		g.t.Fatalf("%d commands hold %q; want 1:\n%s", len(found), words, g.guide)
	}
	return found[0]
}

// run runs a command as it would run in a user's terminal, and returns its output.
func (g *guide) run(command string) string {
	g.t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = g.dir
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// login is step 1; it returns the server of the login.
func (g *guide) login() string {
	g.t.Helper()
	g.run(g.command("owaauth.dll"))
	home := ""
	for range 5 {
		out := g.run(g.command("page=2"))
		if home == "" {
			home = first(all(labServer, out))
		}
		if server := first(all(labServer, out)); server != home || first(all(labUser, out)) != "alice" {
			g.t.Errorf("page of %s for alice:\n%s", home, out)
		}
	}
	return home
}

// ntlm is step 2.
func (g *guide) ntlm() {
	out := g.run(g.command("--ntlm", "-si"))
	conns := all(labConn, out)
	if strings.Join(all(statuses, out), " ") != "401 200" || len(conns) != 2 || conns[0] != conns[1] || first(all(labUser, out)) != "bob" {
		g.t.Errorf("NTLM:\n%s", out)
	}
}

// push is step 3: the phone waits in one terminal, a message comes in another.
func (g *guide) push() {
	waits := exec.Command("sh", "-c", g.command("Cmd=Ping"))
	var out locked
	waits.Stdout = &out
	if err := waits.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.until("the phone waits", func() bool { return g.active("eas") > 0 })
	g.run(g.command("/mail/carol"))
	if err := waits.Wait(); err != nil || !strings.HasPrefix(out.String(), "200 after ") {
		g.t.Errorf("push: %v, %q", err, out.String())
	}
}

// stream is step 4, ended by curl itself: a test has no Ctrl-C.
func (g *guide) stream() {
	out := g.run(strings.Replace(g.command("GetStreamingEvents"), "curl ", "curl --max-time 4 ", 1))
	if !strings.Contains(out, "sequence=\"1\"\nsequence=\"2\"\n") {
		g.t.Errorf("events: %q", out)
	}
}

// fault is step 6.
func (g *guide) fault() {
	g.run(g.command("/cas1/owa/503"))
	g.until("owa on cas1 is down", func() bool { return g.states("cas1", "owa") == "down" })
	if state := g.states("cas1", "ecp"); state != "up" {
		g.t.Errorf("ecp on cas1 is %s; want up", state)
	}
	g.run(g.command("/cas1/owa/ok"))
	g.until("owa on cas1 is up", func() bool { return g.states("cas1", "owa") == "up" })
}

// stop is step 7, with the server that step 1 named.
func (g *guide) stop(home string) {
	on := func(command string) string { return strings.Replace(command, "cas1", home, 1) }
	g.run(on(g.command("/cas1/stop")))
	out := g.run(g.command("page=2"))
	second := first(all(labServer, out))
	if second == home || second == "" || len(all(labUser, out)) != 0 {
		g.t.Fatalf("after %s stopped:\n%s", home, out)
	}
	if again := g.login(); again != second {
		g.t.Errorf("the second login is on %s; want %s", again, second)
	}
	g.run(on(g.command("/cas1/start")))
	g.until(home+" is up", func() bool { return g.states(home, "") == "up" })
}

// components is the rest of step 7: what servers say of themselves, and the account
// of the probes.
func (g *guide) components() {
	g.run(g.command("/cas2/offline"))
	g.until("owa on cas2 drains", func() bool { return g.states("cas2", "owa") == "drain" })
	g.run(g.command("/cas3/name/cas1"))
	g.until("owa on cas3 is misrouted", func() bool { return g.states("cas3", "owa") == "down" })
	g.run(g.command("/cas2/ok"))
	g.run(g.command("/cas3/ok"))
	for _, server := range []string{"cas2", "cas3"} {
		g.until(server+" is up", func() bool { return g.states(server, "") == "up" })
	}
	if out := g.run(g.command("/account/probe/refuse")); !strings.Contains(out, "running") {
		g.t.Errorf("refuse: %q", out)
	}
	g.run(g.command("/account/probe/ok"))
}

// mail is steps 8 and 9: the server that greets, and the message.
func (g *guide) mail(scheme string) {
	out := g.run(g.command(scheme))
	if !strings.Contains(out, "service is ready. [CAS") || !strings.Contains(out, "Subject: Message 1") {
		g.t.Errorf("mail:\n%s", out)
	}
}
