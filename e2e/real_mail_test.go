package e2e

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// mailWay is a way in which casbah stands in front of servers of mail.
type mailWay struct {
	name     string
	vip      string   // its type
	keys     string   // more of the VIP
	upstream string   // upstream_tls
	server   string   // what the servers listen for: "+tls" or nothing
	clients  []string // plain, starttls, tls
	ends     bool     // casbah ends the clients' TLS; else the servers do
	profile  string   // nothing: that of the protocol
}

var mailWays = []mailWay{
	{name: "passed", vip: "tcp", upstream: "off", clients: []string{"plain", "starttls"}},
	{name: "passed-tls", vip: "tcp", upstream: "off", server: "+tls", clients: []string{"tls"}, profile: "unread"},
	{name: "wrapped", vip: "tcp", upstream: "on", server: "+tls", clients: []string{"plain"}},
	{name: "wrapped-starttls", vip: "tcp", upstream: "starttls", clients: []string{"plain"}},
	{name: "tls-plain", vip: "tls", upstream: "off", clients: []string{"tls"}, ends: true},
	{name: "tls-tls", vip: "tls", upstream: "on", server: "+tls", clients: []string{"tls"}, ends: true},
	{name: "tls-starttls", vip: "tls", upstream: "starttls", clients: []string{"tls"}, ends: true},
	{name: "starttls-plain", vip: "tcp", keys: "starttls = true", upstream: "off", clients: []string{"starttls"}, ends: true},
	{name: "starttls-tls", vip: "tcp", keys: "starttls = true", upstream: "on", server: "+tls", clients: []string{"starttls"}, ends: true},
	{name: "starttls-starttls", vip: "tcp", keys: "starttls = true", upstream: "starttls", clients: []string{"starttls"}, ends: true},
}

// mailProtocols are what the servers speak, by their names for it.
var mailProtocols = []string{"imap", "pop3", "submission"}

// mailProfiles are patient with servers on a busy machine. Unread is of TLS that
// casbah neither ends nor takes part in: on a port of its own there is no telling
// that the servers begin with it.
const mailProfiles = `
[profile.imap4.probe]
kind = "imap"
interval = "1m"
timeout = "30s"
[profile.pop3.probe]
kind = "pop3"
interval = "1m"
timeout = "30s"
[profile.submission]
protocol = "tcp"
ports = [587]
[profile.submission.probe]
kind = "smtp"
interval = "1m"
timeout = "30s"
[profile.unread]
protocol = "tcp"
ports = [993]
[profile.unread.probe]
kind = "tcp"
interval = "1m"
timeout = "30s"
`

// mailRig is casbah, as a user starts it, in front of two real servers that share
// their mailboxes, in every way of mailWays, for a protocol each.
type mailRig struct {
	*daemon
	servers []*dovecot
	sink    *mailSink         // where their users' mail goes to
	own     identity          // of casbah
	theirs  identity          // of the servers
	vips    map[string]string // host:port, by name
}

// newMailRig starts a rig. Proxy is the pools' proxy_protocol.
func newMailRig(t *testing.T, engine, proxy string) *mailRig {
	t.Helper()
	mailboxes := openDir(t)
	r := &mailRig{sink: newMailSink(t), own: newIdentity(t, t.TempDir()), theirs: newIdentity(t, t.TempDir()), vips: make(map[string]string)}
	for _, name := range []string{"m1", "m2"} {
		r.servers = append(r.servers, startDovecot(t, name, mailboxes, r.sink.address, r.theirs))
	}
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "%sstate_dir = %q\n[log]\naccess = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n", mode{engine: engine}.key(), dir, filepath.Join(dir, "access.log"))
	b.WriteString(mailProfiles)
	for _, what := range dovecotPorts {
		for _, s := range r.servers {
			fmt.Fprintf(&b, "[[server]]\nname = %q\naddress = %q\n", serverName(s.name, what), s.at[what])
		}
	}
	free := freeAddresses(t, len(mailProtocols)*len(mailWays))
	for i, protocol := range mailProtocols {
		for n, w := range mailWays {
			r.vips[w.vipName(protocol)] = free[i*len(mailWays)+n]
			b.WriteString(w.tables(r, protocol, proxy))
		}
	}
	r.daemon = &daemon{t: t, conf: filepath.Join(dir, "casbah.toml"), ended: make(chan struct{})}
	r.write(b.String())
	r.begin(nil)
	r.until("every VIP has a server", func() bool {
		for name := range r.vips {
			if r.get("/healthz/vip/"+name) != http.StatusOK {
				return false
			}
		}
		return true
	})
	return r
}

func serverName(name, what string) string { return name + "-" + strings.ReplaceAll(what, "+", "-") }

func (w *mailWay) vipName(protocol string) string { return protocol + "-" + w.name }

// tables are the pool and the VIP of a way.
func (w *mailWay) tables(r *mailRig, protocol, proxy string) string {
	what, more := protocol+w.server, ""
	if proxy != "off" {
		what += "+proxy"
	}
	if w.upstream != "off" {
		more = fmt.Sprintf("[pool.tls]\nca = %q\nserver_name = \"localhost\"\n", r.theirs.cert)
	}
	name := w.vipName(protocol)
	text := fmt.Sprintf("[[pool]]\nname = %q\nservers = [%q, %q]\nupstream_tls = %q\nproxy_protocol = %q\n%s[[vip]]\nname = %[1]q\ntype = %[7]q\nlisten = [%[8]q]\nprofiles = [%[9]q]\npool = %[1]q\n%[10]s\n",
		name, serverName("m1", what), serverName("m2", what), w.upstream, proxy, more, w.vip, r.vips[name], cmp.Or(w.profile, map[string]string{"imap": "imap4"}[protocol], protocol), w.keys)
	if w.ends {
		text += r.own.ofVIP()
	}
	return text
}

// visited has every client visit one way, as a user of its own, and looks at
// what the servers say of it.
func (r *mailRig) visited(t *testing.T, w *mailWay, protocol, proxy string) {
	t.Helper()
	name := w.vipName(protocol)
	_, port, err := net.SplitHostPort(r.vips[name])
	if err != nil {
		t.Fatal(err)
	}
	ca := r.theirs.cert
	if w.ends {
		ca = r.own.cert
	}
	for _, secure := range w.clients {
		v := mailVisit{port: port, ca: ca, user: name + "." + secure + "@visit", mail: message(t), sink: r.sink}
		if protocol == "pop3" {
			r.deliver(t, v)
			r.deliver(t, v.small())
		}
		visitAll(t, v, protocol, secure)
	}
	if w.keys != "" {
		refusesInClear(t, protocol, port)
	}
	r.known(t, w, name, proxy != "off")
}

// refusesInClear checks that casbah does not let a client log in before TLS.
func refusesInClear(t *testing.T, protocol, port string) {
	t.Helper()
	cmd, want := exec.Command("curl", "-sS", "--max-time", "25", "-u", "eve@visit:Secret1", protocol+"://localhost:"+port+"/"), "denied"
	if protocol == "submission" {
		cmd, want = exec.Command("python3", "-", port, "plain", "/dev/null", "eve@visit", "/dev/null"), "AUTH extension not supported"
		cmd.Stdin = strings.NewReader(strings.Replace(smtplibProgram, "cafile=ca", "", 1))
	}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
		t.Errorf("a client in clear: %v, %s; want it not let in: %s", err, out, want)
	}
}

// message returns a message of a megabyte.
func message(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: %s\r\nMessage-ID: <%[1]s@example.org>\r\n\r\n", rand.Text())
	for b.Len() < 1<<20 {
		b.WriteString(rand.Text() + "\r\n")
	}
	return b.String()
}

// deliver puts the message into a mailbox, not through casbah.
func (r *mailRig) deliver(t *testing.T, v mailVisit) {
	t.Helper()
	_, port, err := net.SplitHostPort(r.servers[0].at["imap+tls"])
	if err != nil {
		t.Fatal(err)
	}
	v.t, v.port, v.ca, v.secure, v.dir = t, port, r.theirs.cert, "tls", t.TempDir()
	v.user = strings.Replace(v.user, "@visit", "@deliver", 1)
	v.curl("imap", "INBOX", "-T", v.file("message", v.mail))
}

// known checks how the servers knew the visitors of a VIP: with a PROXY header by
// the address and port of casbah's client, without one by casbah's; and in TLS
// where that is what the servers were to hear.
func (r *mailRig) known(t *testing.T, w *mailWay, vip string, proxied bool) {
	t.Helper()
	for _, secure := range w.clients {
		if len(r.logins(vip+"."+secure+"@visit")) == 0 {
			t.Errorf("no server has logged in who came to %s %s", vip, secure)
		}
	}
	logins := r.logins(vip + ".")
	var clients []string
	for deadline := time.Now().Add(patience); len(clients) < len(logins); time.Sleep(20 * time.Millisecond) {
		if clients = r.clients(t, vip); time.Now().After(deadline) {
			t.Fatalf("%d visits of %d are in the access log", len(clients), len(logins))
		}
	}
	for _, l := range logins {
		inTLS := w.upstream != "off" || !w.ends && !strings.Contains(l.user, ".plain")
		// A connection of casbah's own may have the port of a client's to another address.
		if l.tls != inTLS || (l.client != l.peer) != proxied || proxied && !slices.Contains(clients, l.client) {
			t.Errorf("login %+v; want TLS: %v, known by its own address: %v; casbah's clients were %s", l, inTLS, proxied, clients)
		}
	}
}

// logins returns how visitors have logged in whose names begin so, at any server.
func (r *mailRig) logins(names string) []login {
	var list []login
	for _, s := range r.servers {
		for _, l := range s.logins() {
			if strings.HasPrefix(l.user, names) && strings.HasSuffix(l.user, "@visit") {
				list = append(list, l)
			}
		}
	}
	return list
}

// clients returns the addresses of the clients that a VIP has served.
func (r *mailRig) clients(t *testing.T, vip string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(r.conf), "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		var rec record
		if json.Unmarshal([]byte(line), &rec) == nil && rec.VIP == vip {
			list = append(list, rec.Client)
		}
	}
	return list
}

// S110, S112: real clients read mail of real servers through every kind of VIP:
// passed through, with TLS that casbah ends, plain, in TLS and by STARTTLS on
// either side. Any server serves any connection; with a PROXY header they know the
// clients by their own addresses.
func TestRealMailClients(t *testing.T) {
	t.Parallel() // it waits most of the time
	real(t)
	for _, m := range []struct{ engine, proxy string }{{"reactor", "off"}, {"reactor", "v2"}, {"net", "v2"}} {
		t.Run(m.engine+"/proxy="+m.proxy, func(t *testing.T) {
			r := newMailRig(t, m.engine, m.proxy)
			t.Run("through", func(t *testing.T) {
				for _, protocol := range mailProtocols {
					for _, w := range mailWays {
						t.Run(w.vipName(protocol), func(t *testing.T) {
							t.Parallel()
							r.visited(t, &w, protocol, m.proxy)
						})
					}
				}
			})
			for _, s := range r.servers {
				if !slices.ContainsFunc(s.logins(), func(l login) bool { return strings.HasSuffix(l.user, "@visit") }) {
					t.Errorf("%s has served nobody", s.name)
				}
			}
		})
	}
}
