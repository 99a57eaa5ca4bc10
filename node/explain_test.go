package node

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/profiles"
)

// namingServer answers every request with its name.
func namingServer(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Server", name)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// explainedSite is an http VIP with two profiles of a group and one of none, and a
// tcp VIP, over three servers that are up until a test says otherwise. A
// fourth profile sends its clients to https.
func explainedSite(t *testing.T, algorithm string) *rig {
	t.Helper()
	text := ""
	for i := range 3 {
		name := fmt.Sprintf("cas%d", i+1)
		text += fmt.Sprintf("[[server]]\nname = %q\naddress = %q\n", name, namingServer(t, name))
	}
	text += fmt.Sprintf("[[pool]]\nname = \"cas\"\nservers = [\"cas1\", \"cas2\", \"cas3\"]\nalgorithm = %q\nslow_start = \"0s\"\n", algorithm) +
		"[[vip]]\nname = \"mail\"\ntype = \"http\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\", \"ecp\", \"eas\", \"ews\"]\npool = \"cas\"\n" +
		"trusted_proxies = [\"127.0.0.0/8\"]\nroot_redirect = \"/owa/\"\nshield = \"enforce\"\n" +
		tcpVIP("rpc", "127.0.0.1:0", "rpc_client_access")
	for _, name := range []string{"owa", "ecp", "eas", "ews", "rpc_client_access"} {
		text += fmt.Sprintf("[profile.%s.probe]\nkind = \"none\"\n", name)
	}
	r := newRig(t, t.TempDir(), text+"[profile.ews]\nhttps_redirect = true\n")
	r.until("all services are up", func() bool {
		for _, s := range r.services() {
			if s.State() != balance.Up {
				return false
			}
		}
		return true
	})
	for _, p := range r.probes { // from here on states are the test's
		p.cancel()
		<-p.done
	}
	return r
}

func (r *rig) services() (all []*balance.Service) {
	for _, p := range r.snap.Load().plans {
		all = append(all, p.service)
	}
	return all
}

// settled waits until nothing is open, so that load decides as it did before.
func (r *rig) settled() {
	r.t.Helper()
	r.until("nothing is open", func() bool {
		return !slices.ContainsFunc(r.services(), func(s *balance.Service) bool { return s.Active.Load() != 0 })
	})
}

// send sends the request that q asks about to the VIP, and returns the status and
// who answered.
func (r *rig) send(q *Question, path string) (status int, server string) {
	r.t.Helper()
	c, err := net.Dial("tcp", r.Addrs("mail")[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", q.Method, path, strings.Join(append(slices.Clone(q.Headers), ""), "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Server")
}

func basic(user string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":password"))
}

// Over real listeners and servers: an explanation names the server, or casbah's
// own answer, that the request then gets, whatever the states and the bindings.
func TestExplainAgreesWithTheWire(t *testing.T) {
	for _, algorithm := range []string{"least_conn", "round_robin", "source_hash"} {
		t.Run(algorithm, func(t *testing.T) {
			r := explainedSite(t, algorithm)
			seed := rand.Uint64()
			draw := rand.New(rand.NewPCG(seed, 0))
			words := make(map[string]int)
			unseen := []string{"fresh", "bound", "rebound_down", "root", "profile", "path", "method", "https", "plain", "shield"}
			for round := 0; round < 250 || len(unseen) > 0 && round < 10_000; round++ {
				for range draw.IntN(3) {
					s := r.services()
					s[draw.IntN(len(s))].SetState(time.Now(), []balance.State{balance.Up, balance.Up, balance.Down, balance.Drain, balance.Maintenance, balance.Unknown}[draw.IntN(6)])
				}
				paths := []string{"/owa/", "/ecp/?x=y", "/Microsoft-Server-ActiveSync?Cmd=Ping", "/owa/../x", "/", "/nowhere", "/EWS/?x=y", "/owa/?x=../y"}
				path := paths[draw.IntN(len(paths))]
				q := &Question{Method: []string{"GET", "POST", "OPTIONS", "BREW"}[draw.IntN(4)], URL: "http://h" + path, From: "127.0.0.1", VIP: "mail"}
				q.Headers = []string{fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", draw.IntN(4)), "Content-Length: 0"}
				if draw.IntN(2) == 0 {
					q.Headers = append(q.Headers, basic(fmt.Sprintf("user%d", draw.IntN(5))))
				}
				e, err := r.Explain(q)
				if err != nil {
					t.Fatal(err)
				}
				status, server := r.send(q, path)
				if status == 200 {
					status = 0
				}
				if server != e.Server || status != e.Status {
					t.Fatalf("seed %d, round %d: %s %s %v gets %s, status %d; it was explained as %s, %d: %s", seed, round, q.Method, path, q.Headers, server, status, e.Server, e.Status, e.Text)
				}
				words[e.Why]++
				unseen = slices.DeleteFunc(unseen, func(word string) bool { return word == e.Why })
				r.settled()
			}
			if len(unseen) > 0 {
				t.Errorf("seed %d: %q never came up among %v", seed, unseen, words)
			}
		})
	}
}

// A question changes nothing: nothing is bound or counted by it, nor kept among
// the decisions.
func TestExplainChangesNothing(t *testing.T) {
	r := explainedSite(t, "round_robin")
	q := &Question{Method: "GET", URL: "http://h/owa/", From: "192.0.2.9", Headers: []string{basic("alice")}}
	first, err := r.Explain(q)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if e, err := r.Explain(q); err != nil || e.Server != first.Server || e.Why != "fresh" {
			t.Fatalf("asked again it goes to %s (%s), %v; want %s, fresh", e.Server, e.Why, err, first.Server)
		}
	}
	st := r.Status()
	if st.Table.Bindings != 0 || st.VIPs[0].Requests != 0 {
		t.Errorf("%d bindings, %d requests; want none", st.Table.Bindings, st.VIPs[0].Requests)
	}
	for e := range r.Decisions(DecisionFilter{}) {
		t.Errorf("a question is kept as a decision: %+v", e)
	}
}

// The client that a trusted proxy names counts, and a login that ties its
// connection to the server is told of.
func TestExplainTellsWhoAsks(t *testing.T) {
	r := explainedSite(t, "round_robin")
	e, err := r.Explain(&Question{URL: "http://h/owa/", From: "127.0.0.1", Headers: []string{"X-Forwarded-For: 198.51.100.7", "Authorization: NTLM TlRMTVNTUAABAAAA"}})
	if err != nil || e.Client != "127.0.0.1" || e.Source != "198.51.100.7" || e.Host != "h" || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "its connection stays with the server") {
		t.Errorf("explained as %+v, %v; want the source and a note of the connection", e, err)
	}
	if e, err = r.Explain(&Question{URL: "http://h/owa/", From: "192.0.2.9", Headers: []string{"X-Forwarded-For: 198.51.100.7"}}); err != nil || e.Source != "" {
		t.Errorf("a stranger's X-Forwarded-For counts: %+v, %v", e, err)
	}
}

// What was decided on the wire is kept, is explained as it was before, and is
// found by what is known of it.
func TestDecisionsOfRequests(t *testing.T) {
	r := explainedSite(t, "round_robin")
	ask := func(client, path string) *Explanation {
		q := &Question{Method: "GET", URL: "http://h" + path, From: "127.0.0.1", Headers: []string{"X-Forwarded-For: " + client, basic("alice")}}
		e, err := r.Explain(q)
		if err != nil {
			t.Fatal(err)
		}
		r.send(q, path+"?secret=moonlight")
		r.settled()
		return e
	}
	first := ask("192.0.2.1", "/owa/x")
	for _, s := range r.services() {
		if s.Server.Name == first.Server {
			s.SetState(time.Now(), balance.Maintenance)
		}
	}
	second := ask("192.0.2.1", "/owa/y")
	ask("192.0.2.2", "/Microsoft-Server-ActiveSync")
	if second.Why != "rebound_maintenance" || second.Loss != "maintenance" {
		t.Fatalf("the second goes to %s: %s; want a rebind for maintenance", second.Server, second.Why)
	}
	net1 := netip.MustParsePrefix("192.0.2.1/32")
	for _, tt := range []struct {
		name   string
		filter DecisionFilter
		paths  string
	}{
		{"all", DecisionFilter{}, "/Microsoft-Server-ActiveSync /owa/y /owa/x"},
		{"newest", DecisionFilter{N: 1}, "/Microsoft-Server-ActiveSync"},
		{"profile", DecisionFilter{Profile: "owa"}, "/owa/y /owa/x"},
		{"vip", DecisionFilter{VIP: "rpc"}, ""},
		{"server", DecisionFilter{Server: first.Server}, "/owa/x"},
		{"from", DecisionFilter{From: net1}, "/owa/y /owa/x"},
		{"why", DecisionFilter{Why: "rebound"}, "/owa/y"},
		{"why-exact", DecisionFilter{Why: "rebound_maintenance"}, "/owa/y"},
		{"why-other", DecisionFilter{Why: "rebound_main"}, ""},
	} {
		var paths []string
		for e := range r.Decisions(tt.filter) {
			paths = append(paths, e.Path)
			if strings.Contains(fmt.Sprintf("%+v", e), "moonlight") || e.VIP != "mail" || e.Source == "" || !strings.HasPrefix(e.Client, "127.0.0.1:") {
				t.Errorf("%s: %+v", tt.name, e)
			}
			if e.Path == "/owa/y" && (e.Text != second.Text || e.Server != second.Server || e.Servers[0] != second.Servers[0]) {
				t.Errorf("decided as %+v; it was explained as %+v", e, second)
			}
		}
		if got := strings.Join(paths, " "); got != tt.paths {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.paths)
		}
	}
}

// A connection of a tcp VIP is explained by its addresses, and kept when it is
// decided.
func TestExplainConnection(t *testing.T) {
	r := explainedSite(t, "round_robin")
	addr := r.Addrs("rpc")[0]
	q := &Question{URL: "tcp://" + addr.String(), From: "127.0.0.5"}
	e, err := r.Explain(q)
	if err != nil || e.VIP != "rpc" || e.Profile != "rpc_client_access" || e.Why != "fresh" || e.VIPBy != "it fits the scheme, the host, the port" {
		t.Fatalf("explained as %+v, %v", e, err)
	}
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5)}}).Dial("tcp", addr.String())
	c = patient(t, c, err)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("X-Server"); got != e.Server {
		t.Errorf("the connection goes to %s; it was explained as %s", got, e.Server)
	}
	for k := range r.Decisions(DecisionFilter{VIP: "rpc"}) {
		if k.Server != e.Server || k.Method != "" || k.Text != e.Text {
			t.Errorf("kept as %+v; want %+v", k, e)
		}
	}
	if e, err = r.Explain(q); err != nil || e.Why != "bound" || e.Steps[0].Server != e.Server {
		t.Errorf("then explained as %+v, %v; want bound", e, err)
	}
}

// What a question may not be. No answer quotes what may be a secret.
func TestQuestionMistakes(t *testing.T) {
	r := explainedSite(t, "round_robin")
	tests := []struct {
		name string
		q    Question
		want string
	}{
		{"no-url", Question{}, "url: want http://HOST/PATH"},
		{"no-scheme", Question{URL: "mail.example.org/owa"}, "url: want http://HOST/PATH"},
		{"other-scheme", Question{URL: "ftp://h/"}, "url: want http://HOST/PATH"},
		{"space", Question{URL: "http://h/a moonlight"}, "url: want no space"},
		{"line-end", Question{URL: "/owa/\r\nX: moonlight"}, "url: want no space"},
		{"user", Question{URL: "http://alice:moonlight@h/"}, "url: want no user or password"},
		{"no-host", Question{URL: "http:///owa"}, "url: want a host"},
		{"port", Question{URL: "http://h:99999/"}, `url: want a port from 1 to 65535, got "99999"`},
		{"tcp-without-port", Question{URL: "tcp://192.0.2.1"}, "url: want a port with tcp://"},
		{"tcp-with-path", Question{URL: "tcp://192.0.2.1:1/x?moonlight"}, `url: want no path with tcp://, got "/x"`},
		{"tcp-with-method", Question{Method: "GET", URL: "tcp://192.0.2.1:1"}, "method: want none"},
		{"tcp-with-header", Question{URL: "tcp://192.0.2.1:1", Headers: []string{"A: moonlight"}}, "headers: want none"},
		{"method", Question{Method: "G T", URL: "/"}, "method: want a method"},
		{"from", Question{URL: "/", From: "mail"}, `from: want an address such as 192.0.2.7, got "mail"`},
		{"from-with-port", Question{URL: "/", From: "192.0.2.1:80"}, "from: want an address"},
		{"header-without-colon", Question{URL: "/", Headers: []string{"A: b", "Basic moonlight"}}, `header 2: want "Name: value"`},
		{"header-name", Question{URL: "/", Headers: []string{"moon light: x"}}, `header 1: want "Name: value"`},
		{"header-value", Question{URL: "/", Headers: []string{"Authorization: moonlight\r\nX: y"}}, "header 1: Authorization: want a value without line ends"},
		{"vip", Question{URL: "/owa", VIP: "web"}, `vip: want the name of a VIP that takes HTTP requests (there are mail (http), rpc (tcp)), got "web"`},
		{"vip-of-another-kind", Question{URL: "/owa", VIP: "rpc"}, "vip: want the name of a VIP that takes HTTP requests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Explain(&tt.q)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "moonlight") {
				t.Errorf("Explain(%+v) = %v; want %s", tt.q, err, tt.want)
			}
		})
	}
}

// Which VIP a URL is about, and how it is said.
func TestVIPOfAQuestion(t *testing.T) {
	conf, _, err := profiles.Parse("casbah.toml", []byte(fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "")+`
[[vip]]
name = "first"
type = "http"
listen = ["192.0.2.1:80"]
profiles = ["owa"]
pool = "cas"
hosts = ["mail.example.org"]
[[vip]]
name = "second"
type = "http"
listen = ["192.0.2.2:8080"]
profiles = ["owa", "eas"]
pool = "cas"
hosts = ["mobile.example.org"]
[[vip]]
name = "any"
type = "http"
listen = ["192.0.2.3:80"]
profiles = ["owa"]
pool = "cas"
`+tcpVIP("imap", "192.0.2.1:143", "imap4")+tcpVIP("pop", "192.0.2.1:110", "pop3")))
	if err != nil {
		t.Fatal(err)
	}
	conf.StateDir = t.TempDir()
	for _, tt := range []struct{ url, vip, by string }{
		{"http://mail.example.org/owa/", "first", "it fits the scheme, the host, the port, the path"},
		{"http://MAIL.example.org./owa/", "first", "it fits the scheme, the host, the port, the path"},
		{"http://mobile.example.org:8080/owa/", "second", "it fits the scheme, the host, the port, the path"},
		{"http://mobile.example.org/owa/", "second", "it fits the scheme, the host, the path"},
		{"https://mobile.example.org/nowhere", "second", "it fits the host, although it is of type http"},
		{"http://192.0.2.3/owa/", "any", "it fits the scheme, the host, the port, the path"},
		{"http://other/Microsoft-Server-ActiveSync", "first", "it fits the scheme, the port; the first of 2 that do"},
		{"/Microsoft-Server-ActiveSync", "second", "it fits the path"},
		{"/owa/", "first", "it fits the path; the first of 3 that do"},
		{"/nowhere", "first", "the first of the file; the first of 3 that do"},
		{"tcp://192.0.2.1:110", "pop", "it fits the scheme, the host, the port"},
		{"tcp://mail.example.org:110", "pop", "it fits the scheme, the port"},
		{"tcp://192.0.2.1:25", "imap", "it fits the scheme, the host; the first of 2 that do"},
	} {
		e, err := ExplainConfig(conf, &Question{URL: tt.url})
		if err != nil || e.VIP != tt.vip || e.VIPBy != tt.by {
			t.Errorf("%s: %+v, %v; want %s, %s", tt.url, e, err, tt.vip, tt.by)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(conf.StateDir, "*")); len(files) > 0 {
		t.Errorf("explaining a file leaves %v behind", files)
	}
	e, err := ExplainConfig(conf, &Question{URL: "/owa/", VIP: "any"})
	if err != nil || e.VIP != "any" || e.VIPBy != "it is named" || e.Host != "192.0.2.3:80" {
		t.Errorf("by name: %+v, %v", e, err)
	}
}

// With the state directory at hand an inserted cookie is known to a question
// about the file, and keys show as they do in the table.
func TestExplainConfigKnowsInsertedCookies(t *testing.T) {
	r := explainedSite(t, "round_robin")
	q := &Question{Method: "GET", URL: "http://h/owa/", From: "127.0.0.1"}
	c, err := net.Dial("tcp", r.Addrs("mail")[0].String())
	c = patient(t, c, err)
	fmt.Fprint(c, "GET /owa/ HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(cookie, "CASBAH_") {
		t.Fatalf("no inserted cookie: %v", resp.Header)
	}
	q.Headers = []string{"Cookie: " + cookie}
	live, err := r.Explain(q)
	if err != nil {
		t.Fatal(err)
	}
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ExplainConfig(conf, q)
	if err != nil || e.Server != resp.Header.Get("X-Server") || e.Step != "insert_cookie" || e.Steps[0].Key != live.Steps[0].Key || e.Steps[0].Key == "" {
		t.Errorf("explained as %+v, %v; want the server of the cookie, %s", e, err, resp.Header.Get("X-Server"))
	}
	conf.StateDir = t.TempDir()
	e, err = ExplainConfig(conf, q)
	if err != nil || e.Step != "" || !slices.ContainsFunc(e.Notes, func(n string) bool { return strings.HasPrefix(n, "cookie.key in state_dir cannot be read here") }) {
		t.Errorf("without the key explained as %+v, %v; want a note", e, err)
	}
}
