package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mailWay is a way in which casbah stands in front of servers of mail.
type mailWay struct {
	name     string
	vip      string   // its type
	keys     string   // more of the VIP
	upstream string   // upstream_tls
	server   string   // what the servers listen for: "" or "+tls"
	profile  string   // "": imap4 or pop3
	clients  []string // plain, starttls, tls
	ends     bool     // casbah ends the clients' TLS; else the servers do
}

var mailWays = []mailWay{
	{"passed", "tcp", "", "off", "", "", []string{"plain", "starttls"}, false},
	{"passed-tls", "tcp", "", "off", "+tls", "passed", []string{"tls"}, false},
	{"wrapped", "tcp", "", "on", "+tls", "", []string{"plain"}, false},
	{"tls-plain", "tls", "", "off", "", "", []string{"tls"}, true},
	{"tls-tls", "tls", "", "on", "+tls", "", []string{"tls"}, true},
}

// mailRig is casbah, as a user starts it, in front of two real servers that share
// their mailboxes, in every way of mailWays, for a protocol each.
type mailRig struct {
	*daemon
	t       *testing.T
	servers []*dovecot
	own     identity          // of casbah
	theirs  identity          // of the servers
	vips    map[string]string // host:port, by name
}

// newMailRig starts a rig. Proxy is the pools' proxy_protocol.
func newMailRig(t *testing.T, engine, proxy string) *mailRig {
	t.Helper()
	mailboxes := openDir(t)
	r := &mailRig{t: t, own: newIdentity(t, t.TempDir()), theirs: newIdentity(t, t.TempDir()), vips: make(map[string]string)}
	for _, name := range []string{"m1", "m2"} {
		r.servers = append(r.servers, startDovecot(t, name, mailboxes, r.theirs))
	}
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "%sstate_dir = %q\n[log]\naccess = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n", mode{engine: engine}.key(), dir, filepath.Join(dir, "access.log"))
	for _, what := range dovecotPorts {
		for _, s := range r.servers {
			fmt.Fprintf(&b, "[[server]]\nname = %q\naddress = %q\n", serverName(s.name, what), s.at[what])
		}
	}
	free := freeAddresses(t, 2*len(mailWays))
	for i, protocol := range []string{"imap", "pop3"} {
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
		name, serverName("m1", what), serverName("m2", what), w.upstream, proxy, more, w.vip, r.vips[name], map[string]string{"imap": "imap4", "pop3": "pop3"}[protocol], w.keys)
	if w.ends {
		text += r.own.ofVIP()
	}
	return text
}

// visited has every client visit one way, as a user of its own, and looks at
// what the servers say of it.
func (r *mailRig) visited(t *testing.T, w *mailWay, protocol, proxy string) {
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
		v := mailVisit{port: port, ca: ca, user: name + "-" + secure + "@visit", mail: message(t)}
		if protocol == "pop3" {
			r.deliver(t, v)
		}
		visitAll(t, v, protocol, secure)
	}
	r.known(t, w, name, proxy != "off")
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
		if len(r.logins(vip+"-"+secure+"@visit")) == 0 {
			t.Errorf("no server has logged in who came to %s %s", vip, secure)
		}
	}
	logins := r.logins(vip + "-")
	var clients []string
	r.until("the visits are in the access log", func() bool {
		clients = r.clients(vip)
		return len(clients) >= len(logins)
	})
	for _, l := range logins {
		inTLS := w.upstream != "off" || !w.ends && !strings.Contains(l.user, "-plain@")
		if l.tls != inTLS || slices.Contains(clients, l.client) != proxied || slices.Contains(clients, l.peer) {
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
func (r *mailRig) clients(vip string) []string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(r.conf), "access.log"))
	if err != nil {
		r.t.Fatal(err)
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

// S109, S110: real clients read mail of real servers through every kind of VIP:
// passed through, with TLS that casbah ends, plain, in TLS and by STARTTLS on
// either side; with a PROXY header the servers log the clients' own addresses.
func TestRealMailClients(t *testing.T) {
	real(t)
	for _, engine := range drivers {
		for _, proxy := range []string{"off", "v2"} {
			t.Run(engine+"/proxy="+proxy, func(t *testing.T) {
				r := newMailRig(t, engine, proxy)
				for _, protocol := range []string{"imap", "pop3"} {
					for _, w := range mailWays {
						t.Run(w.vipName(protocol), func(t *testing.T) { r.visited(t, &w, protocol, proxy) })
					}
				}
			})
		}
	}
}
