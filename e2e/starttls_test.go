package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"casbah/lab"
)

// mailTLS is how clients and servers of mail get their TLS.
type mailTLS struct {
	kind     string // type of the VIP
	offers   bool   // it ends STARTTLS
	upstream string // upstream_tls of the pool
	keys     string // more keys of the VIP
}

func (w mailTLS) String() string {
	return fmt.Sprintf("%s-starttls=%v-upstream=%s", w.kind, w.offers, w.upstream)
}

// mailLab is casbah in front of the mail servers of the lab.
type mailLab struct {
	*rig
	array *lab.Array
	id    identity // of casbah
}

// newMailLab starts an array whose servers have mail, and a VIP for one protocol.
func newMailLab(t *testing.T, m mode, protocol string, w mailTLS, drain time.Duration) *mailLab {
	t.Helper()
	array := newArray(t, lab.Options{Servers: 2, Mail: true, TLS: true})
	dir := t.TempDir()
	r := &mailLab{array: array, id: newIdentity(t, t.TempDir())}
	s := relaySetup{mode: m, kind: w.kind, profile: protocol, vip: w.keys, drain: drain}
	for _, c := range array.Servers() {
		s.servers = append(s.servers, c.MailAddr(protocol, w.upstream == "on"))
	}
	if w.upstream != "off" {
		s.pool = strings.Replace(reencrypted(t, dir, array), `"on"`, fmt.Sprintf("%q", w.upstream), 1)
	}
	if protocol == "smtp" {
		s.vip += "accept_snat = true\n"
	}
	if w.offers {
		s.vip += "starttls = true\n"
	}
	if w.offers || w.kind == "tls" {
		s.vip += r.id.ofVIP()
	}
	r.rig = newRelay(t, s)
	r.until("all servers are up", func() bool { return !r.anyService(func(st string) bool { return st != "up" }) })
	return r
}

// trusts is the TLS of clients that trust casbah, and nobody else.
func (r *mailLab) trusts() *tls.Config {
	return &tls.Config{RootCAs: r.id.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// begin connects, by TLS where the VIP is of that type.
func (r *mailLab) begin(t *testing.T, kind string) net.Conn {
	t.Helper()
	roots := r.id.roots
	if kind != "tls" {
		roots = nil
	}
	conn, err := dial(&net.Dialer{Timeout: patience}, r.plain, roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// upstreams are the ways to servers.
var upstreams = []string{"off", "on", "starttls"}

// S110: STARTTLS on 143 ends at casbah, and 993 is served as well, whatever the
// servers speak; a client of a library reads its mail.
func TestIMAPThroughCasbah(t *testing.T) {
	t.Parallel()
	for _, upstream := range upstreams {
		for _, w := range []mailTLS{{"tcp", true, upstream, ""}, {"tls", false, upstream, ""}, {"tcp", false, upstream, ""}} {
			t.Run(w.String(), func(t *testing.T) {
				engines(t, func(t *testing.T, m mode) {
					r := newMailLab(t, m, "imap4", w, 0)
					c := imapclient.New(r.begin(t, w.kind), nil)
					defer c.Close()
					caps, err := c.Capability().Wait()
					if err != nil {
						t.Fatal(err)
					}
					if w.offers {
						if !caps.Has(imap.CapStartTLS) || !caps.Has(imap.CapLoginDisabled) || caps.Has(imap.AuthCap("PLAIN")) {
							t.Errorf("before TLS it offers %v; want STARTTLS and no login", caps)
						}
						if c.Login("alice", "Secret1").Wait() == nil {
							t.Error("a password passes in clear")
						}
						if c, err = imapclient.DialStartTLS(r.plain, &imapclient.Options{TLSConfig: r.trusts()}); err != nil {
							t.Fatal(err)
						}
						defer c.Close()
						if caps, err = c.Capability().Wait(); err != nil || caps.Has(imap.CapStartTLS) || caps.Has(imap.CapLoginDisabled) {
							t.Errorf("behind TLS it offers %v, %v; want no STARTTLS, and a login", caps, err)
						}
					}
					if err := c.Login("alice", "Secret1").Wait(); err != nil {
						t.Fatal(err)
					}
					box, err := c.Select("INBOX", nil).Wait()
					if err != nil || box.NumMessages == 0 {
						t.Fatalf("INBOX: %+v, %v", box, err)
					}
					section := &imap.FetchItemBodySection{}
					all, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
					if err != nil || len(all) != 1 || !bytes.Contains(all[0].FindBodySection(section), []byte("alice")) {
						t.Fatalf("FETCH: %v, %v", all, err)
					}
					app := c.Append("INBOX", 7, nil)
					_, _ = app.Write([]byte("a: b\r\n\n"))
					_ = app.Close()
					if _, err := app.Wait(); err != nil {
						t.Errorf("APPEND: %v", err)
					}
					if err := c.Logout().Wait(); err != nil {
						t.Errorf("LOGOUT: %v", err)
					}
				})
			})
		}
	}
}

// Mail is submitted through every kind of VIP, by the library's client.
func TestSMTPThroughCasbah(t *testing.T) {
	t.Parallel()
	for _, upstream := range upstreams {
		for _, w := range []mailTLS{{"tcp", true, upstream, ""}, {"tls", false, upstream, ""}, {"tcp", false, upstream, ""}} {
			t.Run(w.String(), func(t *testing.T) {
				engines(t, func(t *testing.T, m mode) {
					r := newMailLab(t, m, "smtp", w, 0)
					c, err := smtp.NewClient(r.begin(t, w.kind), "localhost")
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if w.offers {
						if ok, _ := c.Extension("STARTTLS"); !ok {
							t.Error("no STARTTLS is offered")
						}
						if err := c.StartTLS(r.trusts()); err != nil {
							t.Fatal(err)
						}
						if ok, _ := c.Extension("STARTTLS"); ok {
							t.Error("STARTTLS is offered within TLS")
						}
					}
					for range 2 {
						sent := errors.Join(c.Mail("alice@example.org"), c.Rcpt("bob@example.org"))
						out, err := c.Data()
						if err != nil || sent != nil {
							t.Fatal(sent, err)
						}
						_, err = io.WriteString(out, "Subject: x\r\n\r\n..\r\n"+strings.Repeat("text\r\n", 50000))
						if err := errors.Join(err, out.Close()); err != nil {
							t.Fatal(err)
						}
					}
					if err := c.Quit(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// command sends a command and returns the first line of the response.
func (w *wire) command(command string) string {
	w.t.Helper()
	w.say(command + "\r\n")
	return w.reads()
}

// reads returns one line.
func (w *wire) reads() string {
	w.t.Helper()
	line, err := w.in.ReadString('\n')
	if err != nil {
		w.t.Fatalf("read: %v after %q", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// lists returns the lines up to a dot.
func (w *wire) lists() string {
	w.t.Helper()
	var all []string
	for {
		line := w.reads()
		if line == "." {
			return strings.Join(all, " ")
		}
		all = append(all, line)
	}
}

// shakes has w speak TLS from here on.
func (w *wire) shakes(conf *tls.Config) *wire {
	w.t.Helper()
	conn := tls.Client(w.Conn, conf)
	if err := conn.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	return newWire(w.t, conn)
}

// stls begins TLS on a session of POP3, and looks at what is offered before it and
// within.
func (w *wire) stls(conf *tls.Config) *wire {
	w.t.Helper()
	if got := w.command("CAPA"); got != "+OK" {
		w.t.Fatal(got)
	}
	if got := w.lists(); !strings.Contains(got, "STLS") || strings.Contains(got, "USER") {
		w.t.Errorf("before TLS it lists %s", got)
	}
	if got := w.command("USER alice"); !strings.HasPrefix(got, "-ERR") {
		w.t.Errorf("a name passes in clear: %s", got)
	}
	if got := w.command("STLS"); !strings.HasPrefix(got, "+OK") {
		w.t.Fatal(got)
	}
	c := w.shakes(conf)
	if got := c.command("CAPA"); got != "+OK" {
		w.t.Fatal(got)
	}
	if got := c.lists(); strings.Contains(got, "STLS") || !strings.Contains(got, "USER") {
		w.t.Errorf("within TLS it lists %s", got)
	}
	return c
}

// A client of POP3 reads its mail through every kind of VIP.
func TestPOP3ThroughCasbah(t *testing.T) {
	t.Parallel()
	for _, upstream := range upstreams {
		for _, w := range []mailTLS{{"tcp", true, upstream, ""}, {"tls", false, upstream, ""}, {"tcp", false, upstream, ""}} {
			t.Run(w.String(), func(t *testing.T) {
				engines(t, func(t *testing.T, m mode) {
					r := newMailLab(t, m, "pop3", w, 0)
					c := newWire(t, r.begin(t, w.kind))
					if got := c.reads(); !strings.HasPrefix(got, "+OK The Microsoft Exchange") {
						t.Fatalf("greeted by %q", got)
					}
					if w.offers {
						c = c.stls(r.trusts())
					}
					for _, command := range []string{"USER alice", "PASS Secret1", "STAT", "RETR 1"} {
						if got := c.command(command); !strings.HasPrefix(got, "+OK") {
							t.Fatalf("%s: %s", command, got)
						}
					}
					if got := c.lists(); !strings.Contains(got, "alice") {
						t.Errorf("the message is %q", got)
					}
					if got := c.command("QUIT"); !strings.HasPrefix(got, "+OK") {
						t.Error(got)
					}
					c.ends()
				})
			})
		}
	}
}

// offering is a VIP that ends STARTTLS in front of plain servers.
var offering = mailTLS{"tcp", true, "off", ""}

// starters are the commands that begin TLS.
var starters = map[string]string{"imap4": "a STARTTLS\r\n", "pop3": "STLS\r\n", "smtp": "STARTTLS\r\n"}

// What stands behind the command that begins TLS, in clear, is executed by nobody
// (CVE-2011-0411), and counted.
func TestInjectedCommandsAreDiscarded(t *testing.T) {
	t.Parallel()
	for protocol, starter := range starters {
		t.Run(protocol, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newMailLab(t, m, protocol, offering, 0)
				c := newWire(t, r.begin(t, "tcp"))
				c.reads()
				c.say(starter + "INJECTED\r\nx NOOP\r\n")
				c.reads()
				c = c.shakes(r.trusts())
				if got, want := c.command("y NOOP"), map[string]string{"imap4": "y OK", "pop3": "-ERR", "smtp": "503 5.5.1 Send EHLO"}[protocol]; !strings.HasPrefix(got, want) {
					t.Errorf("the first response within TLS is %q; want %s, to what was said in it", got, want)
				}
				c.quiet("one command was said")
				if n := r.vipStatus("flow").Injections; n != 1 {
					t.Errorf("%d injections are counted; want 1", n)
				}
			})
		})
	}
}

// A client that never shakes hands, or twice asks for it, gets a clear end or
// answer.
func TestStartTLSGoneWrong(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newMailLab(t, m, "imap4", offering, 0)
		c := newWire(t, r.begin(t, "tcp"))
		c.reads()
		c.command("a STARTTLS")
		c = c.shakes(r.trusts())
		if got := c.command("b STARTTLS"); !strings.HasPrefix(got, "b BAD") {
			t.Errorf("a second STARTTLS: %s", got)
		}
		if got := c.command("c NOOP"); !strings.HasPrefix(got, "c OK") {
			t.Errorf("then NOOP: %s", got)
		}
		c = newWire(t, r.begin(t, "tcp"))
		c.reads()
		c.command("a STARTTLS")
		c.say("b NOOP\r\n")
		if _, err := io.ReadAll(c.in); err != nil && timedOut(err) {
			t.Error("a client that speaks no TLS hangs")
		}
		r.until("the failure is counted", func() bool { return r.vipStatus("flow").Refused["tls"] == 1 })
	})
}

// Before TLS nothing is let through where it is required.
func TestRequiredTLS(t *testing.T) {
	t.Parallel()
	w := offering
	w.keys = "require_tls = true\n"
	for protocol, tt := range map[string]struct{ refused, passes [2]string }{
		"imap4": {[2]string{"a AUTHENTICATE NTLM", "a NO"}, [2]string{"b NOOP", "b OK"}},
		"pop3":  {[2]string{"APOP x y", "-ERR"}, [2]string{"QUIT", "+OK"}},
		"smtp":  {[2]string{"MAIL FROM:<>", "530"}, [2]string{"NOOP", "250"}},
	} {
		t.Run(protocol, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newMailLab(t, m, protocol, w, 0)
				c := newWire(t, r.begin(t, "tcp"))
				c.reads()
				for _, say := range [][2]string{tt.refused, tt.passes} {
					if got := c.command(say[0]); !strings.HasPrefix(got, say[1]) {
						t.Errorf("%s: %s; want %s", say[0], got, say[1])
					}
				}
			})
		})
	}
}

// A VIP that offers nothing passes STARTTLS on: TLS is with the server, whose
// certificate the client sees. So it is when TLS begins at once.
func TestStartTLSPasses(t *testing.T) {
	t.Parallel()
	for protocol, starter := range starters {
		t.Run(protocol, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				w := mailTLS{kind: "tcp", upstream: "off"}
				r := newMailLab(t, m, protocol, w, 0)
				theirs := r.trusts()
				theirs.RootCAs = x509.NewCertPool()
				theirs.RootCAs.AppendCertsFromPEM(r.array.CertificatePEM())
				c := newWire(t, r.begin(t, "tcp"))
				c.reads()
				if protocol == "smtp" {
					for line := c.command("EHLO x"); strings.HasPrefix(line, "250-"); line = c.reads() {
					}
				}
				c.command(strings.TrimSpace(starter))
				c = c.shakes(theirs)
				c.say("y NOOP\r\n")
				c.reads()
				if r.vipStatus("flow").Injections != 0 {
					t.Error("casbah has looked at it")
				}
			})
		})
	}
}

// farewells are what casbah says to those who are in a session when it stops.
var farewells = map[string]string{"imap4": "* BYE the server is going down, connect again", "pop3": "-ERR [SYS/TEMP] the server is going down, connect again", "smtp": "421 4.3.2 the server is going down, connect again"}

// Clients are taken leave of in the words of their protocol, within TLS and
// without, and none is reset.
func TestMailIsTakenLeaveOf(t *testing.T) {
	t.Parallel()
	for protocol, farewell := range farewells {
		for _, w := range []mailTLS{{"tcp", true, "starttls", ""}, {"tls", false, "on", ""}, {"tcp", false, "off", ""}} {
			t.Run(protocol+"-"+w.String(), func(t *testing.T) {
				engines(t, func(t *testing.T, m mode) {
					r := newMailLab(t, m, protocol, w, time.Hour)
					var open []*wire
					for i := range 6 {
						c := newWire(t, r.begin(t, w.kind))
						c.reads()
						if w.offers && i%2 == 0 {
							c.command(strings.TrimSpace(starters[protocol]))
							c = c.shakes(r.trusts())
						}
						open = append(open, c)
					}
					stopped := make(chan struct{})
					go func() {
						defer close(stopped)
						r.stop()
					}()
					for _, c := range open {
						if got := c.reads(); got != farewell {
							t.Errorf("read %q; want %q", got, farewell)
						}
						c.ends()
						_ = c.Close()
					}
					<-stopped
					for _, rec := range r.logged(len(open)) {
						if rec.End != "drain" {
							t.Errorf("record %+v; want end drain", rec)
						}
					}
				})
			})
		}
	}
}

// Hostile dialogues get a clear end in bounded memory.
func TestHostileMail(t *testing.T) {
	for _, tt := range []struct {
		name, protocol, client, answer string
		repeat                         int
	}{
		{"endless-line", "imap4", "xxxxxxxxxxxxxxxx", "* BYE command line longer", 1 << 16},
		{"endless-line-smtp", "smtp", "xxxxxxxxxxxxxxxx", "421 4.5.0 command line longer", 1 << 16},
		{"endless-line-pop3", "pop3", "xxxxxxxxxxxxxxxx", "-ERR command line longer", 1 << 16},
		{"literal", "imap4", "a LOGIN {2147483648}\r\n", "* BYE literal longer", 1},
		{"literal-plus", "imap4", "a LOGIN {2147483648+}\r\n", "* BYE literal longer", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				r := newMailLab(t, m, tt.protocol, offering, 0)
				c := newWire(t, r.begin(t, "tcp"))
				c.reads()
				go func() { // casbah may stop reading
					for range tt.repeat {
						if _, err := io.WriteString(c.Conn, tt.client); err != nil {
							return
						}
					}
				}()
				if got := c.reads(); !strings.HasPrefix(got, tt.answer) {
					t.Errorf("read %q; want %q", got, tt.answer)
				}
				if _, err := io.ReadAll(c.in); err != nil && timedOut(err) {
					t.Error("the connection stays open")
				}
				if rec := r.logged(1)[0]; rec.End != "protocol" {
					t.Errorf("record %+v; want end protocol", rec)
				}
				if v := r.vipStatus("flow"); v.Refused["protocol"] != 1 {
					t.Errorf("refused %v; want one for its protocol", v.Refused)
				}
			})
		})
	}
}

// A server that lists without end is cut off, and it is to blame.
func TestHostileMailServer(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		s := newStub(t)
		id := newIdentity(t, t.TempDir())
		r := newRelay(t, relaySetup{
			mode: m, profile: "imap4", servers: []string{s.Addr().String()},
			vip: "starttls = true\n" + id.ofVIP(), extra: "[profile.imap4.probe]\nkind = \"none\"\n",
		})
		c := r.wire(t, "127.0.0.2")
		server := s.accept()
		server.say("* OK hello\r\n")
		c.reads()
		c.say("a CAPABILITY\r\n")
		server.reads()
		server.say("* CAPABILITY" + strings.Repeat(" X", 10001) + "\r\na OK done\r\n")
		if got := c.reads(); got != "* BYE more than 10000 capabilities" {
			t.Errorf("read %q", got)
		}
		c.ends()
		if rec := r.logged(1)[0]; rec.End != "server" {
			t.Errorf("record %+v; want end server", rec)
		}
	})
}

// A reload offers STARTTLS, and takes it back: who is connected goes on as it was
// begun.
func TestStartTLSIsReloaded(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newMailLab(t, m, "imap4", mailTLS{kind: "tcp", upstream: "off"}, 0)
		without := r.read()
		with := strings.Replace(without, "profiles = [\"imap4\"]\npool = \"cas\"\n", "profiles = [\"imap4\"]\npool = \"cas\"\nstarttls = true\n"+r.id.ofVIP(), 1)
		open := func() *wire {
			c := newWire(t, r.begin(t, "tcp"))
			c.reads()
			return c
		}
		login := func(c *wire, want string) {
			t.Helper()
			if got := c.command("a LOGIN alice Secret1"); !strings.HasPrefix(got, want) {
				t.Errorf("a login in clear: %s; want %s", got, want)
			}
		}
		before := open()
		r.reload(with)
		between := open()
		between.command("b STARTTLS")
		login(between.shakes(r.trusts()), "a OK")
		between = open()
		r.reload(without)
		login(before, "a OK")
		login(between, "a NO")
		login(open(), "a OK")
	})
}

// A server that will not speak TLS, in whatever way, is passed over: the client
// hears nothing of it.
func TestServersWithoutTLSArePassedOver(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		array := newArray(t, lab.Options{Servers: 1, Mail: true, TLS: true})
		bad := newStub(t)
		go func() {
			for _, answer := range []string{"-ERR no\r\n", "+OK\r\n+OK injected\r\n", "+OK\r\nGET / HTTP/1.1\r\n", ""} {
				conn, err := bad.Accept()
				if err != nil {
					return
				}
				in := bufio.NewReader(conn)
				_, _ = io.WriteString(conn, "+OK bad\r\n")
				_, _ = in.ReadString('\n')
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		r := newRelay(t, relaySetup{
			mode: m, profile: "pop3", servers: []string{bad.Addr().String(), array.Servers()[0].MailAddr("pop3", false)},
			pool: strings.Replace(reencrypted(t, t.TempDir(), array), `"on"`, `"starttls"`, 1), extra: "[profile.pop3.probe]\nkind = \"none\"\n",
		})
		for range 8 {
			c := r.wire(t, "127.0.0.2")
			if got := c.reads(); !strings.HasPrefix(got, "+OK The Microsoft Exchange") {
				t.Fatalf("greeted by %q", got)
			}
			if got := c.command("QUIT"); !strings.HasPrefix(got, "+OK") {
				t.Error(got)
			}
			c.ends()
			_ = c.Close()
		}
		for _, rec := range r.logged(8) {
			if rec.Server != "cas2" || rec.Out == 0 {
				t.Errorf("record %+v; want one of a session with cas2", rec)
			}
		}
		if n := r.node.Status().Pools[0].Servers[0].Services[0].Failures; n != 4 {
			t.Errorf("%d failures of the bad server; want 4", n)
		}
	})
}
