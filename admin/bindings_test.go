package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/node"
	"casbah/persistence"
)

var errFilter = &node.FilterError{Field: "vip", Want: "one of mail", Got: "x"}

func (f *fake) take(filter *node.BindingFilter) error {
	f.filter = *filter
	if filter.VIP == "x" {
		return errFilter
	}
	return nil
}

func (f *fake) Bindings(filter *node.BindingFilter, each func(*node.Binding) bool) error {
	if err := f.take(filter); err != nil {
		return err
	}
	for again := true; again; again = f.endless {
		for i := range f.rows {
			if !each(&f.rows[i]) {
				return nil
			}
		}
	}
	return nil
}

func (f *fake) CountBindings(filter *node.BindingFilter) ([]node.BindingCount, error) {
	var counts []node.BindingCount
	for _, b := range f.rows {
		c := node.BindingCount{Owner: b.Owner, Server: b.Server, Bindings: 1}
		if !b.Confirmed {
			c.Unconfirmed = 1
		}
		counts = append(counts, c)
	}
	return counts, f.take(filter)
}

func (f *fake) DeleteBindings(filter *node.BindingFilter) (int, error) {
	return len(f.rows), f.take(filter)
}

func (f *fake) FindBindings(l *node.BindingLookup) ([]node.FoundBinding, error) {
	f.lookup = *l
	if l.VIP == "x" {
		return nil, errFilter
	}
	return []node.FoundBinding{
		{Binding: f.rows[0], Step: "source_ip"},
		{Binding: node.Binding{Owner: f.rows[0].Owner}, Step: "header Authorization", Says: "names no client"},
	}, nil
}

// withRows adds three bindings of two scopes.
func (f *fake) withRows(t *testing.T) *fake {
	t.Helper()
	key, err := persistence.ParseKey("00112233445566778899aabbccddeeff")
	if err != nil {
		t.Fatal(err)
	}
	owa := &node.BindingOwner{
		Scopes: []string{"group owa pool cas"}, VIPs: []string{"mail", "mail2"}, Profiles: []string{"owa", "ecp"},
		Steps: []string{"cookie UserContext", "cookie msExchEcpCanary"},
	}
	address := *owa
	address.Steps = []string{"source_ip"}
	f.rows = []node.Binding{
		{Key: key, Owner: owa, Server: "cas1", Age: 12 * time.Second, Left: time.Hour, Confirmed: true},
		{Key: key, Owner: &address, Server: `c"2`, Left: time.Minute},
		{Key: key, Owner: &node.BindingOwner{}, Server: "cas1"},
	}
	return f
}

// What is written by hand is the JSON of Binding.
func TestBindingsAreJSONLines(t *testing.T) {
	f := newFake().withRows(t)
	addr, _ := serving(t, New(f, Options{Loopback: true}))
	resp, err := http.Get("http://" + addr + "/api/v1/bindings?vip=mail&older=1m&confirmed=false&limit=2")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if kind := resp.Header.Get("Content-Type"); err != nil || resp.StatusCode != http.StatusOK || kind != "application/x-ndjson" {
		t.Fatalf("%s %s %s, %v", resp.Status, kind, body, err)
	}
	if want := (node.BindingFilter{VIP: "mail", Unused: time.Minute, Unconfirmed: true}); f.filter != want {
		t.Errorf("filter %+v; want %+v", f.filter, want)
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines; want two and the end:\n%s", len(lines), body)
	}
	for i, line := range lines[:2] {
		if want := string(jsonOf(bindingOf(&f.rows[i]))); line != want {
			t.Errorf("line %d is\n%s; want\n%s", i+1, line, want)
		}
	}
	if want := `{"end":true,"rows":2,"more":1}`; lines[2] != want {
		t.Errorf("last line %s; want %s", lines[2], want)
	}
	var row Binding
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil {
		t.Fatal(err)
	}
	want := Binding{
		Key: "00112233445566778899aabbccddeeff", Server: "cas1", Age: 12, Left: 3600, Confirmed: true,
		BindingOwner: BindingOwner{"cookie UserContext or cookie msExchEcpCanary", []string{"mail", "mail2"}, []string{"owa", "ecp"}, "group owa pool cas"},
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestBindingsHead(t *testing.T) {
	f := newFake().withRows(t)
	f.endless = true
	if w := (ask{method: "HEAD", path: "/api/v1/bindings"}).of(New(f, Options{Loopback: true})); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD = %d, %d octets", w.Code, w.Body.Len())
	}
}

func TestBindingsCount(t *testing.T) {
	w := ask{method: "GET", path: "/api/v1/bindings/count?server=cas1"}.of(New(newFake().withRows(t), Options{Loopback: true}))
	var got BindingCount
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	vips, profiles := []string{"mail", "mail2"}, []string{"owa", "ecp"}
	cookie := BindingOwner{"cookie UserContext or cookie msExchEcpCanary", vips, profiles, "group owa pool cas"}
	address, scope, gone := cookie, cookie, BindingOwner{VIPs: []string{}, Profiles: []string{}}
	address.Step, scope.Step = "source_ip", ""
	want := BindingCount{
		Bindings: 3, Unconfirmed: 2,
		ByServer: []ServerCount{{"cas1", 2}, {`c"2`, 1}},
		ByScope:  []OwnerCount{{scope, 2}, {gone, 1}},
		ByStep:   []OwnerCount{{gone, 1}, {cookie, 1}, {address, 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("count (-want +got):\n%s", diff)
	}
	empty := ask{method: "GET", path: "/api/v1/bindings/count"}.of(New(newFake(), Options{Loopback: true}))
	if strings.Contains(empty.Body.String(), "null") {
		t.Errorf("null in %s", empty.Body)
	}
}

// lookup posts a look-up.
func lookup(h *Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/api/v1/bindings/lookup", strings.NewReader(body))
	r.Host = "127.0.0.1:8404"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBindingLookup(t *testing.T) {
	f := newFake().withRows(t)
	h := New(f, Options{Loopback: true})
	w := lookup(h, `{"profile":"owa","from":"192.0.2.1","to":"192.0.2.2","user":"alice","cookie":"c","headers":["A: b"]}`)
	var got []FoundBinding
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	want := node.BindingLookup{Profile: "owa", From: "192.0.2.1", To: "192.0.2.2", User: "alice", Cookie: "c", Headers: []string{"A: b"}}
	if diff := cmp.Diff(want, f.lookup); diff != "" {
		t.Errorf("lookup (-want +got):\n%s", diff)
	}
	if len(got) != 2 || got[0].Server != "cas1" || got[0].Key == "" || got[0].Step != "source_ip" || got[1].Key != "" || got[1].Says != "names no client" {
		t.Errorf("found %+v", got)
	}
	for _, body := range []string{"", "secret", `{"cookie":secret}`, `{"cookie":["secret"]}`, `{"secret":"x"}`, `{"cookie":"secret` + strings.Repeat("x", lookupMax) + `"}`, `{"vip":"x","cookie":"secret"}`} {
		if w := lookup(h, body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"error"`) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%.40s = %d %s; want 400 without what was sent", body, w.Code, w.Body)
		}
	}
}

func TestBindingFilterMistakes(t *testing.T) {
	h := New(newFake().withRows(t), Options{Loopback: true, Token: token})
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/api/v1/bindings?vip=x", `vip: want one of mail, got \"x\"`},
		{"GET", "/api/v1/bindings?vip=", "vip: want one value"},
		{"GET", "/api/v1/bindings?vip=a&vip=b", "vip: want one value"},
		{"GET", "/api/v1/bindings?vips=mail", `\"vips\": want one of vip, profile`},
		{"GET", "/api/v1/bindings?all=true", `\"all\": want one of vip`},
		{"GET", "/api/v1/bindings?limit=-1", "limit: want a number"},
		{"GET", "/api/v1/bindings?limit=x", "limit: want a number"},
		{"GET", "/api/v1/bindings?older=10", "older: want a time such as 10m"},
		{"GET", "/api/v1/bindings?older=-1s", "older: want a time such as 10m"},
		{"GET", "/api/v1/bindings?confirmed=yes", "confirmed: want true or false"},
		{"GET", "/api/v1/bindings/count?limit=1", `\"limit\": want one of`},
		{"GET", "/api/v1/bindings/count?vip=x", "vip: want one of mail"},
		{"DELETE", "/api/v1/bindings", "all=true alone, to delete every binding"},
		{"DELETE", "/api/v1/bindings?all=true&server=cas1", "all=true alone"},
		{"DELETE", "/api/v1/bindings?all=false", "all: want true"},
		{"DELETE", "/api/v1/bindings?vip=x", "vip: want one of mail"},
		{"DELETE", "/api/v1/bindings?limit=1", `\"limit\": want one of`},
	} {
		w := ask{method: tt.method, path: tt.path, head: presenting("Bearer " + token)}.of(h)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s = %d %s; want 400 with %q", tt.method, tt.path, w.Code, w.Body, tt.want)
		}
	}
}

// Deleting takes the token, reading does not on loopback.
func TestWhoMayDeleteBindings(t *testing.T) {
	f := newFake().withRows(t)
	h := New(f, Options{Loopback: true, Token: token})
	for _, tt := range []struct {
		path string
		head map[string]string
		code int
		want string
	}{
		{"?server=cas1", nil, 401, "token"},
		{"?server=cas1", presenting("Bearer wrong"), 401, "token"},
		{"?server=cas1", basic("admin", token), 401, "token"},
		{"?server=cas1", presenting("Bearer " + token), 200, `"deleted": 3`},
		{"?all=true", presenting("Bearer " + token), 200, `"deleted": 3`},
	} {
		w := ask{method: "DELETE", path: "/api/v1/bindings" + tt.path, head: tt.head}.of(h)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("DELETE %s with %v = %d %s; want %d", tt.path, tt.head, w.Code, w.Body, tt.code)
		}
	}
	remote := New(f, Options{Token: token})
	if w := (ask{method: "GET", path: "/api/v1/bindings"}).of(remote); w.Code != http.StatusUnauthorized {
		t.Errorf("a listing off loopback = %d; want 401", w.Code)
	}
}

// A client that stops reading is cut, and its place is free again.
func TestListingDoesNotWaitForASlowClient(t *testing.T) {
	f := newFake().withRows(t)
	f.endless = true
	h := New(f, Options{Loopback: true})
	h.chunkTime = 20 * time.Millisecond
	addr, _ := serving(t, h)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /api/v1/bindings HTTP/1.1\r\nHost: localhost\r\n\r\n")
	in := bufio.NewReader(c)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(h.listings) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the listing goes on for 20s for a client that does not read")
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if _, err := in.Discard(1 << 10); err != nil {
			if nerr := net.Error(nil); errors.As(err, &nerr) && nerr.Timeout() {
				t.Error("the connection is still open")
			}
			return
		}
	}
}

func TestListingsAreBounded(t *testing.T) {
	h := New(newFake().withRows(t), Options{Loopback: true})
	for range maxListings {
		if !h.enter(httptest.NewRecorder()) {
			t.Fatal("a place is missing")
		}
	}
	for _, path := range []string{"/api/v1/bindings", "/api/v1/bindings/count"} {
		if w := (ask{method: "GET", path: path}).of(h); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s = %d; want 503 with Retry-After", path, w.Code)
		}
	}
	h.leave()
	if w := (ask{method: "GET", path: "/api/v1/bindings"}).of(h); w.Code != http.StatusOK {
		t.Errorf("%d with a place free", w.Code)
	}
	if len(h.listings) != maxListings-1 {
		t.Error("the place is not given back")
	}
}

// FuzzBindingFilter: a query that holds anything means something. One that is taken
// for nothing would delete every binding.
func FuzzBindingFilter(f *testing.F) {
	f.Add("vip=mail&older=1m&confirmed=false")
	f.Add("server=")
	f.Add("older=0s")
	f.Add("key=00000000000000000000000000000000&x=y")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		filter, err := filterOf(q, nil)
		if err == nil && len(q) > 0 && *filter == (node.BindingFilter{}) {
			t.Fatalf("%q is no filter", text)
		}
	})
}
