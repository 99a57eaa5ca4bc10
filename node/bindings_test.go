package node

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"casbah/persistence"
)

// bound is a node in front of two servers, whose clients have bindings.
type bound struct {
	*rig
	text string        // of the configuration
	hold chan struct{} // a request to /owa/wait is answered when it is closed
	came chan struct{} // such a request has come
}

// boundText serves OWA and ActiveSync on one VIP, and OWA, in the same group, and
// EWS on another one.
const boundText = `
[[vip]]
name = "mail"
type = "http"
listen = ["127.0.0.1:0"]
profiles = ["owa", "eas", "autodiscover"]
pool = "cas"
[[vip]]
name = "other"
type = "http"
listen = ["127.0.0.1:0"]
profiles = ["ecp", "ews"]
pool = "cas"
`

func newBound(t *testing.T) *bound {
	t.Helper()
	b := &bound{hold: make(chan struct{}), came: make(chan struct{})}
	var addrs []any
	for range 2 {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/owa/wait" {
				close(b.came)
				<-b.hold
			}
			if c := r.Header.Get("X-Set"); c != "" {
				w.Header().Set("Set-Cookie", c+"; path=/")
			}
			_, _ = io.WriteString(w, "ok")
		}))
		t.Cleanup(srv.Close)
		addrs = append(addrs, srv.Listener.Addr().String())
	}
	text := fmt.Sprintf(poolText, append(addrs, "algorithm = \"round_robin\"")...) + boundText
	for _, p := range []string{"owa", "eas", "autodiscover", "ecp", "ews"} {
		text += fmt.Sprintf("[profile.%s.probe]\nkind = \"none\"\n", p)
	}
	b.rig, b.text = newRig(t, t.TempDir(), text), text
	b.until("all services are up", func() bool { // else all clients would go to the first one
		for _, s := range b.Status().Pools[0].Servers {
			if slices.ContainsFunc(s.Services, func(s ServiceStatus) bool { return s.State != "up" }) {
				return false
			}
		}
		return true
	})
	return b
}

// send makes a request from an address of loopback, and returns the
// cookies that the answer sets.
func (b *bound) send(from, vip, path string, head ...string) []string {
	b.t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", b.Addrs(vip)[0].String())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: mail.example.org\r\nConnection: close\r\n", path)
	for _, line := range head {
		fmt.Fprint(c, line+"\r\n")
	}
	fmt.Fprint(c, "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s = %s, %v", path, resp.Status, err)
	}
	return resp.Header["Set-Cookie"]
}

func authorization(user string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":Secret1"))
}

// rows lists what f means: server, VIPs, profiles and step of each.
func (b *bound) rows(f BindingFilter) []string {
	b.t.Helper()
	var rows []string
	err := b.Bindings(&f, func(r *Binding) bool {
		rows = append(rows, strings.Join([]string{strings.Join(r.Owner.VIPs, "+"), strings.Join(r.Owner.Profiles, "+"), r.Owner.Step()}, " "))
		return true
	})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}

func TestBindingsSayWhoseTheyAre(t *testing.T) {
	b := newBound(t)
	b.send("127.0.0.2", "mail", "/owa/", "X-Set: UserContext=abc")
	b.send("127.0.0.3", "mail", "/Microsoft-Server-ActiveSync", authorization("alice"))
	b.send("127.0.0.4", "mail", "/Autodiscover/x")
	b.send("127.0.0.4", "other", "/EWS/Exchange.asmx", "X-Set: exchangecookie=abc")
	const (
		owaAddress = "mail+other owa+ecp source_ip"
		owaCookie  = "mail+other owa+ecp cookie UserContext or cookie msExchEcpCanary"
		easAddress = "mail eas source_ip"
		easUser    = "mail eas header Authorization"
		ewsCookie  = "other ews cookie exchangecookie"
	)
	for _, tt := range []struct {
		name   string
		filter BindingFilter
		want   []string
	}{
		{"all", BindingFilter{}, []string{easUser, easAddress, owaCookie, owaAddress, ewsCookie}},
		{"vip", BindingFilter{VIP: "mail"}, []string{easUser, easAddress, owaCookie, owaAddress}},
		{"vip-of-group", BindingFilter{VIP: "other"}, []string{owaCookie, owaAddress, ewsCookie}},
		{"profile", BindingFilter{Profile: "eas"}, []string{easUser, easAddress}},
		{"profile-without-table", BindingFilter{Profile: "autodiscover"}, nil},
		{"vip-and-profile", BindingFilter{VIP: "mail", Profile: "owa"}, []string{owaCookie, owaAddress}},
		{"method", BindingFilter{Step: "cookie"}, []string{owaCookie, ewsCookie}},
		{"step", BindingFilter{Step: "cookie exchangecookie"}, []string{ewsCookie}},
		{"profile-and-step", BindingFilter{Profile: "owa", Step: "source_ip"}, []string{owaAddress}},
		{"unused", BindingFilter{Unused: time.Hour}, nil},
		{"unconfirmed", BindingFilter{Unconfirmed: true}, nil},
		{"confirmed-of-step", BindingFilter{Confirmed: true, Step: "header"}, []string{easUser}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.rows(tt.filter); !slices.Equal(got, tt.want) {
				t.Errorf("bindings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	if n := len(b.rows(BindingFilter{Server: "cas1"})) + len(b.rows(BindingFilter{Server: "cas2"})); n != 5 {
		t.Errorf("%d bindings of both servers; want 5", n)
	}
	counts, err := b.CountBindings(&BindingFilter{Profile: "eas"})
	if err != nil || len(counts) != 2 || counts[0].Bindings+counts[1].Bindings != 2 || counts[0].Server != counts[1].Server {
		t.Errorf("CountBindings = %+v, %v; want two of one server", counts, err)
	}
}

func TestBindingRow(t *testing.T) {
	b := newBound(t)
	b.send("127.0.0.3", "mail", "/Microsoft-Server-ActiveSync", authorization("alice"))
	var row Binding
	_ = b.Bindings(&BindingFilter{Step: "header"}, func(r *Binding) bool { row = *r; return true })
	if row.Server == "" || !row.Confirmed || row.Age > time.Minute || row.Left+row.Age != 2*time.Hour || !slices.Equal(row.Owner.Scopes, []string{"vip mail pool cas profile eas"}) {
		t.Errorf("row %+v of %+v", row, row.Owner)
	}
	var again []Binding
	err := b.Bindings(&BindingFilter{Key: row.Key.String()}, func(r *Binding) bool { again = append(again, *r); return true })
	if err != nil || len(again) != 1 || again[0].Key != row.Key {
		t.Errorf("by key: %+v, %v", again, err)
	}
}

// A key may be told by its first digits, as decisions show them. What several
// share lists them all, and deletes none.
func TestBindingsByTheFirstDigits(t *testing.T) {
	b := newBound(t)
	b.send("127.0.0.3", "mail", "/Microsoft-Server-ActiveSync", authorization("alice"))
	var keys []string
	_ = b.Bindings(&BindingFilter{}, func(r *Binding) bool { keys = append(keys, r.Key.String()); return true })
	if len(keys) != 2 || keys[0][:8] == keys[1][:8] {
		t.Fatalf("keys %q; want two, of address and user", keys)
	}
	found := func(digits string) (got []string) {
		t.Helper()
		err := b.Bindings(&BindingFilter{Key: digits}, func(r *Binding) bool { got = append(got, r.Key.String()); return true })
		if err != nil {
			t.Error(err)
		}
		return got
	}
	for _, digits := range []string{keys[0][:8], keys[0][:12], keys[0][:31], keys[0], strings.ToUpper(keys[0][:9])} {
		if got := found(digits); !slices.Equal(got, keys[:1]) {
			t.Errorf("%s lists %q; want %s", digits, got, keys[0])
		}
	}
	if n, err := b.deleteBegun(time.Now().UnixNano(), new(query), "0"); n != 0 || err == nil || !strings.Contains(err.Error(), "more digits") {
		t.Errorf("digits of both delete %d, %v; want more of them", n, err)
	}
	if n, err := b.DeleteBindings(&BindingFilter{Key: keys[0][:12]}); n != 1 || err != nil || len(found(keys[0])) != 0 || len(found(keys[1])) != 1 {
		t.Errorf("DeleteBindings() = %d, %v; want the one binding gone", n, err)
	}
	if n, err := b.DeleteBindings(&BindingFilter{Key: keys[0][:12]}); n != 0 || err != nil {
		t.Errorf("DeleteBindings() = %d, %v again; want none", n, err)
	}
}

func TestBindingFilterMistakes(t *testing.T) {
	b := newBound(t)
	for _, tt := range []struct {
		filter BindingFilter
		want   string
	}{
		{BindingFilter{VIP: "x"}, `vip: want one of mail, other, got "x"`},
		{BindingFilter{Profile: "x"}, `profile: want one of owa, eas, autodiscover, ecp, ews, got "x"`},
		{BindingFilter{VIP: "mail", Profile: "ews"}, `profile: want one of owa, eas, autodiscover, got "ews"`},
		{BindingFilter{Server: "x"}, `server: want one of cas1, cas2, got "x"`},
		{BindingFilter{Profile: "eas", Step: "cookie"}, `step: want one of source_ip, header Authorization, got "cookie"`},
		{BindingFilter{Profile: "autodiscover", Step: "cookie"}, `step: want nothing: there is none, got "cookie"`},
		{BindingFilter{Key: "x"}, `key: want the 32 hexadecimal digits of a key, or at least its first 8, got "x"`},
		{BindingFilter{Key: strings.Repeat("1", 32), VIP: "mail"}, "key: want it alone"},
		{BindingFilter{Key: strings.Repeat("0", 32)}, "key: want the 32 hexadecimal digits of a key"}, // it would mean all
	} {
		err := b.Bindings(&tt.filter, func(*Binding) bool { return true })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v; want %s", tt.filter, err, tt.want)
		}
		if n, err := b.DeleteBindings(&tt.filter); err == nil || n > 0 {
			t.Errorf("%+v: deleted %d, %v", tt.filter, n, err)
		}
	}
	if s := b.live.servers.ByID(3); s != nil {
		t.Errorf("a filter has made a server: %+v", s)
	}
}

func TestFindBindings(t *testing.T) {
	b := newBound(t)
	inserted := b.send("127.0.0.2", "mail", "/owa/", "X-Set: UserContext=a=b")
	i := slices.IndexFunc(inserted, func(s string) bool { return strings.HasPrefix(s, "CASBAH_") })
	if i < 0 {
		t.Fatalf("cookies %q; want one inserted", inserted)
	}
	ours, _, _ := strings.Cut(inserted[i], ";")
	_, value, _ := strings.Cut(ours, "=")
	b.send("127.0.0.3", "mail", "/Microsoft-Server-ActiveSync", authorization(`LAB\alice`))
	home := func(f BindingFilter) string {
		server := ""
		_ = b.Bindings(&f, func(r *Binding) bool { server = r.Server; return true })
		return server
	}
	owa, eas := home(BindingFilter{Profile: "owa"}), home(BindingFilter{Profile: "eas"})
	const fresh = "not bound"
	for _, tt := range []struct {
		name   string
		lookup BindingLookup
		want   []string // step, server or what is said
	}{
		{"address", BindingLookup{Profile: "owa", From: "127.0.0.2"}, []string{"source_ip " + owa}},
		{"address-unknown", BindingLookup{Profile: "owa", From: "192.0.2.1"}, []string{"source_ip " + fresh}},
		{"address-everywhere", BindingLookup{From: "127.0.0.3"}, []string{"source_ip " + fresh, "source_ip " + eas}},
		{"user", BindingLookup{Profile: "eas", User: `lab\ALICE`}, []string{"header Authorization " + eas}},
		{"user-unknown", BindingLookup{Profile: "eas", User: "bob"}, []string{"header Authorization " + fresh}},
		{"user-where-none-is-read", BindingLookup{Profile: "owa", User: "alice"}, nil},
		{"header", BindingLookup{Profile: "eas", Headers: []string{authorization(`LAB\alice`)}}, []string{"header Authorization " + eas}},
		{"header-of-nobody", BindingLookup{Profile: "eas", Headers: []string{"Authorization: Digest x"}}, []string{"header Authorization names no client"}},
		{"cookie", BindingLookup{Profile: "owa", Cookie: "a=b"}, []string{"cookie UserContext " + owa, "insert_cookie " + persistence.Foreign.String()}},
		{"cookie-by-name", BindingLookup{Profile: "owa", Cookie: "UserContext=a=b"}, []string{"cookie UserContext " + owa}},
		{"cookie-of-the-group", BindingLookup{VIP: "other", Profile: "ecp", Cookie: "UserContext=a=b"}, []string{"cookie msExchEcpCanary " + owa, "cookie msExchEcpCanary " + fresh, "insert_cookie " + persistence.Foreign.String()}},
		{"cookie-inserted", BindingLookup{Profile: "owa", Cookie: ours}, []string{"insert_cookie " + owa + " named by the request itself"}},
		{"cookie-inserted-value", BindingLookup{Profile: "owa", Cookie: value}, []string{"cookie UserContext " + fresh, "insert_cookie " + owa + " named by the request itself"}},
		{"address-and-cookie", BindingLookup{Profile: "owa", From: "127.0.0.2", Cookie: "UserContext=a=b"}, []string{"source_ip " + owa, "cookie UserContext " + owa}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := b.FindBindings(&tt.lookup)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, strings.Join(strings.Fields(f.Step+" "+f.Server+" "+f.Says), " "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q; want %q", got, tt.want)
			}
		})
	}
}

func TestBindingLookupMistakes(t *testing.T) {
	b := newBound(t)
	for _, tt := range []struct {
		lookup BindingLookup
		want   string
	}{
		{BindingLookup{}, "want what the client brings"},
		{BindingLookup{VIP: "x", From: "192.0.2.1"}, "vip: want one of mail, other"},
		{BindingLookup{Profile: "x", From: "192.0.2.1"}, "profile: want one of owa"},
		{BindingLookup{From: "alice"}, `from: want an IP address, got "alice"`},
		{BindingLookup{From: "192.0.2.1", To: "x"}, "to: want an IP address"},
		{BindingLookup{User: "alice:secret"}, "user: want a name alone"},
		{BindingLookup{Cookie: "secret\r\nX: y"}, "Cookie: want a value without line ends"},
		{BindingLookup{Headers: []string{"secret"}}, "text without a colon"},
		{BindingLookup{Headers: []string{"A: secret\nB: c"}}, "A: want a value without line ends"},
		{BindingLookup{Headers: []string{"Content-Length: secret", "Host: a b"}}, "what a request can hold"},
	} {
		_, err := b.FindBindings(&tt.lookup)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v; want %s", tt.lookup, err, tt.want)
		}
	}
}

// Bindings are deleted and told of; a request that is open meanwhile is answered,
// and its end brings nothing back.
func TestDeleteBindings(t *testing.T) {
	b := newBound(t)
	for i := range 20 {
		b.send(fmt.Sprintf("127.0.0.%d", 2+i), "mail", "/Microsoft-Server-ActiveSync")
	}
	var open sync.WaitGroup
	open.Go(func() { b.send("127.0.0.99", "mail", "/owa/wait") })
	<-b.came
	server := ""
	_ = b.Bindings(&BindingFilter{Profile: "owa"}, func(r *Binding) bool { server = r.Server; return true })
	want := len(b.rows(BindingFilter{Server: server}))
	if n, err := b.DeleteBindings(&BindingFilter{Server: server}); n != want || err != nil || n < 2 {
		t.Errorf("deleted %d, %v; want %d", n, err, want)
	}
	if got, want := b.events.newest()[0], fmt.Sprintf("bindings of server %s deleted: %d", server, want); got.Kind != "bindings" || got.Text != want {
		t.Errorf("event %+v; want %s", got, want)
	}
	close(b.hold)
	open.Wait()
	b.until("the request has ended", func() bool { return b.live.servers.Get(server).Active.Load() == 0 })
	if rows := b.rows(BindingFilter{Server: server}); rows != nil {
		t.Errorf("bindings are back: %q", rows)
	}
	before := len(b.events.newest())
	if n, err := b.DeleteBindings(&BindingFilter{Profile: "owa"}); n != 0 || err != nil || len(b.events.newest()) != before {
		t.Errorf("deleted %d, %v; want nothing, and no event of it", n, err)
	}
	var key persistence.Key
	_ = b.Bindings(&BindingFilter{}, func(r *Binding) bool { key = r.Key; return false })
	for i, want := range []int{1, 0} {
		if n, err := b.DeleteBindings(&BindingFilter{Key: key.String()}); n != want || err != nil {
			t.Errorf("by key, %d: %d, %v; want %d", i, n, err, want)
		}
	}
	rest := len(b.rows(BindingFilter{}))
	if n, err := b.DeleteBindings(&BindingFilter{}); n != rest || err != nil || b.rows(BindingFilter{}) != nil {
		t.Errorf("all: %d, %v; want %d", n, err, rest)
	}
}

func TestBindingFilterText(t *testing.T) {
	for _, tt := range []struct {
		filter BindingFilter
		want   string
	}{
		{BindingFilter{}, "all bindings"},
		{BindingFilter{Unused: time.Minute}, "bindings unused for 1m0s"},
		{BindingFilter{Confirmed: true}, "confirmed bindings"},
		{BindingFilter{Server: "cas1", VIP: "mail", Unconfirmed: true, Unused: time.Minute}, "unconfirmed bindings of server cas1, VIP mail unused for 1m0s"},
		{BindingFilter{Profile: "eas", Step: "source_ip"}, "bindings of profile eas, step source_ip"},
		{BindingFilter{Key: "00"}, "bindings of key 00"},
	} {
		if got := tt.filter.String(); got != tt.want {
			t.Errorf("%+v is %q; want %q", tt.filter, got, tt.want)
		}
	}
}

// Two scopes whose keys look alike are both named.
func TestOwnersOfOneMark(t *testing.T) {
	l := func(mark uint16, scope, step, vip, profile string) label {
		return label{persistence.Label{Mark: mark, Scope: scope, Step: step}, vip, profile}
	}
	owners := ownersOf([]label{
		l(1, "vip a", "source_ip", "a", "eas"), l(1, "vip b", "cookie X", "b", "ews"), l(1, "vip b", "cookie X", "c", "ews"), l(2, "vip b", "source_ip", "b", "ews"),
	})
	got := owners[1]
	if len(owners) != 2 || got.Step() != "source_ip or cookie X" || !slices.Equal(got.Scopes, []string{"vip a", "vip b"}) ||
		!slices.Equal(got.VIPs, []string{"a", "b", "c"}) || !slices.Equal(got.Profiles, []string{"eas", "ews"}) {
		t.Errorf("owner %+v", got)
	}
}

// A binding of a step that a reload has taken away is listed all the same.
func TestBindingsOfNobody(t *testing.T) {
	b := newBound(t)
	b.send("127.0.0.3", "mail", "/Microsoft-Server-ActiveSync")
	text, _, _ := strings.Cut(b.text, "[[vip]]")
	b.write(text + fmt.Sprintf(vipText, "mail") + unprobed)
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := b.rows(BindingFilter{}); !slices.Equal(rows, []string{"  "}) {
		t.Errorf("rows %q; want one of nobody", rows)
	}
	if n, err := b.DeleteBindings(&BindingFilter{}); n != 1 || err != nil {
		t.Errorf("deleted %d, %v; want 1", n, err)
	}
}

func TestBindingsBeforeStart(t *testing.T) {
	n := &Node{}
	if err := n.Bindings(&BindingFilter{}, nil); !errors.Is(err, errNotStarted) {
		t.Errorf("Bindings = %v", err)
	}
}
