package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"casbah/admin"
	"casbah/lab"
)

// workdayConf is what casbah serves on a workday. Only stops may take a server
// down, not a machine that is slow for a moment.
const workdayConf = `
%s
state_dir = %q
[log]
access = %q
[admin]
listen = "127.0.0.1:0"
%s
[[pool]]
name = "cas"
servers = ["cas1", "cas2", "cas3"]
algorithm = "round_robin"
[[vip]]
name = "mail"
type = %q
listen = [%q]
profiles = ["owa", "ecp", "eas", "ews"]
pool = "cas"
trusted_proxies = ["127.0.0.0/8"]
%s
`

const workdayProbe = "[profile.%[1]s.probe]\npath = \"/%[2]s/healthcheck.htm\"\ninterval = \"1s\"\ntimeout = \"900ms\"\nrise = 1\nfall = 2\n"

// workday is the program in front of a simulated array, and people who use it
// all day, through a proxy that says who they are.
type workday struct {
	*daemon
	t      *testing.T
	array  *lab.Array
	people []*clerk
	part   string       // of the day; every request bears it in its Host
	gone   string       // the server that was lost before this part; empty: none
	asked  atomic.Int64 // requests that were sent
}

func newWorkday(t *testing.T, m mode) *workday {
	t.Helper()
	array := newArray(t, lab.Options{})
	dir, kind, rest, servers := t.TempDir(), "http", "", ""
	d := &daemon{t: t, mode: m, conf: filepath.Join(dir, "casbah.toml"), vip: freeAddress(t), ended: make(chan struct{})}
	if m.vip == "tls" {
		id := newIdentity(t, dir)
		kind, rest, d.roots = "https", id.ofVIP(), id.roots
	}
	for _, p := range [][2]any{{"owa", "owa"}, {"ecp", "ecp"}, {"eas", "Microsoft-Server-ActiveSync"}, {"ews", "EWS"}} {
		rest += fmt.Sprintf(workdayProbe, p[:]...)
	}
	for _, c := range array.Servers() {
		servers += fmt.Sprintf("[[server]]\nname = %q\naddress = %q\n", c.Name(), c.Addr())
	}
	d.write(fmt.Sprintf(workdayConf, m.key(), dir, filepath.Join(dir, "access.log"), servers, kind, d.vip, rest))
	d.launch(nil)
	w := &workday{daemon: d, t: t, array: array}
	w.all("up", "cas1", "cas2", "cas3")
	return w
}

// all waits until the pool has those servers, each with all its services in the
// state.
func (w *workday) all(state string, servers ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%v are %s", servers, state), func() bool {
		left := len(servers)
		for _, s := range w.known().Pools[0].Servers {
			other := slices.ContainsFunc(s.Services, func(v admin.Service) bool { return v.State != state })
			if slices.Contains(servers, s.Name) && len(s.Services) > 0 && !other {
				left--
			}
		}
		return left == 0
	})
}

// known returns all that the API tells.
func (w *workday) known() (s admin.Status) {
	w.t.Helper()
	w.statusAs(&s)
	return s
}

// reloads changes the configuration while casbah runs.
func (w *workday) reloads(old, text string) {
	w.t.Helper()
	const done = "configuration reloaded"
	before := strings.Count(w.log.String(), done)
	w.edit(old, text)
	w.signal(syscall.SIGHUP)
	w.until("the reload is done", func() bool { return strings.Count(w.log.String(), done) > before })
}

// restarts ends casbah and starts it again on what it left.
func (w *workday) restarts(by syscall.Signal) {
	w.t.Helper()
	w.signal(by)
	w.exits()
	w.daemon = w.again()
}

// joins adds n people who use kind, each with a place of their own.
func (w *workday) joins(kind string, n int, place func(i int) string) {
	for i := range n {
		p := &clerk{
			day: w, kind: kind, name: fmt.Sprintf("%s%d", kind, len(w.people)), morning: place(i), source: place(i), came: w.part,
			at: make(map[string]stay),
		}
		p.wire = &http.Transport{MaxConnsPerHost: 1, TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}
		w.t.Cleanup(p.wire.CloseIdleConnections)
		p.client = &client{Client: &http.Client{Transport: p, Jar: newJar()}, base: "http://" + w.vip, t: w.t}
		if w.mode.vip == "tls" {
			p.client.base = "https://" + w.vip
		}
		w.array.Users().Add(p.name, "Secret1")
		w.people = append(w.people, p)
	}
}

// passes lets everybody come twice in this part of the day. If gone is not empty,
// that server was lost before, and the records of those it had must say why.
func (w *workday) passes(gone, why string) {
	w.t.Helper()
	w.gone = gone
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			for n := worker; n < len(w.people); n += 4 {
				p := w.people[n]
				due := ""
				if gone != "" && p.home == gone {
					due = why
				}
				p.visit()
				p.visit()
				p.at[w.part] = stay{server: p.home, source: p.source, due: due}
			}
		})
	}
	work.Wait()
	if w.t.Failed() {
		w.t.Fatalf("in the %s", w.part)
	}
}

// clerk is somebody with one program, its cookies and its address.
type clerk struct {
	day        *workday
	kind, name string
	client     *client
	wire       *http.Transport
	came       string          // the part of the first visit
	morning    string          // the address of that
	source     string          // the address now
	home       string          // the server that the last answer came from
	logons     int             // at forms
	at         map[string]stay // by part of the day
}

// stay is where and why a person is served in a part of the day.
type stay struct {
	server, source string
	due            string // the one reason to be moved before; empty: none
}

// RoundTrip sends a request as the proxy does, marked with who asks, and when.
func (p *clerk) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = p.name + "." + p.day.part
	r.Header.Set("X-Forwarded-For", p.source)
	p.day.asked.Add(1)
	return p.wire.RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (p *clerk) CloseIdleConnections() { p.wire.CloseIdleConnections() }

// visit uses the program once, on a new connection.
func (p *clerk) visit() {
	switch p.kind {
	case "owa":
		p.reads()
	case "eas":
		path := "/Microsoft-Server-ActiveSync?Cmd=FolderSync&User=" + p.name + "&DeviceId=dev" + p.name + "&DeviceType=Phone"
		p.got(p.client.do("POST", path, "", "Authorization", basicAuth(p.name, "Secret1")))
	case "ews":
		p.calls()
	}
	p.client.CloseIdleConnections()
}

// reads reads mail and options in a browser, and logs on if it must.
func (p *clerk) reads() {
	a := p.client.get("/owa/?page=2")
	if strings.HasSuffix(a.path, "/logon.aspx") {
		if p.home != "" && p.home != p.day.gone {
			p.day.t.Errorf("%s has to log on again in the %s, and %s still runs", p.name, p.day.part, p.home)
		}
		p.logons++
		if p.home == p.day.gone {
			p.home = a.server
		}
		p.client.logon(p.name, "Secret1")
		a = p.client.get("/owa/?page=2")
	}
	p.got(a)
	p.got(p.client.get("/ecp/"))
}

// calls asks a web service after a login by NTLM, all on one connection.
func (p *clerk) calls() {
	w := p.day.wire()
	defer w.Close()
	hello, err := ntlmType1("NTLM")
	if err != nil {
		p.day.t.Error(err)
		return
	}
	challenge := p.posts(w, "Authorization: "+hello+"\r\n")
	proof, err := ntlmType3("NTLM", &http.Response{StatusCode: challenge.status, Header: challenge.header}, p.name, "Secret1")
	if err != nil {
		p.day.t.Error(err)
		return
	}
	for _, line := range []string{"Authorization: " + proof + "\r\n", ""} {
		p.got(p.posts(w, line))
	}
}

// posts sends a request with one more line, or none, and with the cookies of the
// person, and takes those of the answer.
func (p *clerk) posts(w *wire, line string) answer {
	const path, body = "/EWS/Exchange.asmx", "<soap:Body><m:GetFolder/></soap:Body>"
	u := mustURL(p.day.t, p.client.base+path)
	for _, c := range p.client.Jar.Cookies(u) {
		line += "Cookie: " + c.String() + "\r\n"
	}
	p.day.asked.Add(1)
	w.sayf("POST %s HTTP/1.1\r\nHost: %s.%s\r\nX-Forwarded-For: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		path, p.name, p.day.part, p.source, line, len(body), body)
	resp, _ := w.response("POST")
	p.client.Jar.SetCookies(u, resp.Cookies())
	return answer{
		status: resp.StatusCode, header: resp.Header, user: resp.Header.Get("X-Lab-User"), server: resp.Header.Get("X-Lab-Server"),
	}
}

// got fails unless an answer is right and comes from the person's server.
func (p *clerk) got(a answer) {
	if p.home == "" || p.home == p.day.gone {
		p.home = a.server
	}
	if a.status != http.StatusOK || a.user != p.name || a.server != p.home || a.server == p.day.gone {
		p.day.t.Errorf("%s in the %s: status %d as %q by %s; want 200 by %s", p.name, p.day.part, a.status, a.user, a.server, p.home)
	}
}

// A day on which nearly everything happens: people change their addresses, most of
// them come to stand behind one gateway, a server stops and comes back, another
// one is retired and put back, the configuration is tuned, casbah is restarted,
// and killed. Who could keep the server did, and who could not moved once, for one
// reason, which the access log says. S15 S17 S26 S67 S68 S95.
func TestWorkday(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		w := newWorkday(t, m)
		desk := func(network string) func(int) string {
			return func(i int) string { return fmt.Sprintf("198.51.%s.%d", network, i+1) }
		}
		w.part = "morning"
		w.joins("owa", 16, desk("100"))
		w.joins("eas", 14, desk("101"))
		w.joins("ews", 10, desk("102"))
		w.passes("", "")

		w.part = "roaming"
		w.moves(func(i int) bool { return i%3 == 0 }, func(i int) string { return fmt.Sprintf("192.0.2.%d", i+1) })
		w.passes("", "")
		w.part = "gateway"
		w.moves(func(i int) bool { return i%4 != 0 }, func(int) string { return nat })
		w.passes("", "")
		w.part = "newcomers"
		for _, kind := range []string{"owa", "eas", "ews"} {
			w.joins(kind, 3, func(int) string { return nat })
		}
		w.passes("", "")

		w.part = "outage"
		w.array.CAS(1).Stop()
		w.all("down", "cas2")
		w.passes("cas2", "rebound_down")
		w.part = "repair"
		if err := w.array.CAS(1).Start(); err != nil {
			t.Fatal(err)
		}
		w.all("up", "cas2")
		w.passes("", "")

		w.part = "tuning"
		w.reloads(`algorithm = "round_robin"`, `algorithm = "least_conn"`)
		w.passes("", "")
		w.part = "retirement"
		w.reloads(`["cas1", "cas2", "cas3"]`, `["cas1", "cas2"]`)
		w.passes("cas3", "rebound_left")
		w.part = "return"
		w.reloads(`["cas1", "cas2"]`, `["cas1", "cas2", "cas3"]`)
		w.all("up", "cas3")
		w.passes("", "")

		w.part = "restart"
		w.restarts(syscall.SIGTERM)
		w.passes("", "")
		w.part = "crash"
		w.diary()
		w.restarts(syscall.SIGKILL)
		w.passes("", "")
		w.part = "evening"
		for _, p := range w.people {
			p.source = p.morning
		}
		w.passes("", "")
		w.audit(w.diary())
	})
}

// moves gives some people another address.
func (w *workday) moves(who func(i int) bool, to func(i int) string) {
	for i, p := range w.people {
		if who(i) {
			p.source = to(i)
		}
	}
}
