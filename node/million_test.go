package node_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"casbah/admin"
	"casbah/node"
)

const millionText = `
limits = { bindings = 1000000 }
[[server]]
name = "cas1"
address = "127.0.0.1:1"
[[server]]
name = "cas2"
address = "127.0.0.1:1"
[[pool]]
name = "cas"
servers = ["cas1", "cas2"]
[[vip]]
name = "mail"
type = "http"
listen = ["127.0.0.1:0"]
profiles = ["owa"]
pool = "cas"
[profile.owa.probe]
kind = "none"
`

const token = "correct horse battery staple"

// listen serves the admin API of n until the test ends.
func listen(t *testing.T, n *node.Node) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, admin.New(n, admin.Options{Loopback: true, Token: token}), ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// client makes a connection for each request, so that none is left.
var client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// ask sends a request to the API, and returns the body of the answer.
func ask(t *testing.T, method, url string) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s = %s", method, url, resp.Status)
	}
	return resp.Body
}

// lines reads a listing to its end.
func lines(t *testing.T, url string) (rows int, end admin.EndOfBindings) {
	t.Helper()
	body := ask(t, "GET", url+"/api/v1/bindings")
	defer body.Close()
	in := bufio.NewReaderSize(body, 64<<10)
	var line []byte
	for {
		next, err := in.ReadSlice('\n')
		if err != nil {
			break
		}
		if !bytes.HasPrefix(next, []byte(`{"key":"`)) {
			line = bytes.Clone(next)
			continue
		}
		rows++
	}
	if err := json.Unmarshal(line, &end); err != nil {
		t.Fatalf("last line %q: %v", line, err)
	}
	return rows, end
}

func decode(t *testing.T, body io.ReadCloser, into any) {
	t.Helper()
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// A million bindings are listed, counted and deleted through the API; the memory
// that a listing takes does not grow with them.
func TestMillionBindings(t *testing.T) {
	const most = 8 << 20
	all := 1_000_000
	if raceDetector {
		all = 50_000 // each of the atomic words of a slot costs it a call
	}
	n := node.StartForTest(t, millionText)
	url := listen(t, n)
	n.BindAddresses(t, "mail", "owa", netip.MustParseAddr("10.0.0.0"), all)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, end := lines(t, url)
	runtime.ReadMemStats(&after)
	if want := (admin.EndOfBindings{End: true, Rows: all}); rows != all || end != want {
		t.Errorf("%d rows, %+v; want %+v", rows, end, want)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > most {
		t.Errorf("the listing and its client allocated %d octets; want at most %d", used, most)
	}
	var c admin.BindingCount
	decode(t, ask(t, "GET", url+"/api/v1/bindings/count"), &c)
	if c.Bindings != all || len(c.ByServer) != 2 || c.ByServer[0] != (admin.ServerCount{Server: "cas1", Bindings: all / 2}) || len(c.ByStep) != 1 {
		t.Errorf("count %+v", c)
	}
	var d admin.Deleted
	decode(t, ask(t, "DELETE", url+"/api/v1/bindings?server=cas2"), &d)
	if st := n.Status(); d.Deleted != all/2 || st.Table.Bindings != all/2 {
		t.Errorf("%d deleted, %d left; want %d of each", d.Deleted, st.Table.Bindings, all/2)
	}
}

// Listings and deletions while clients come and go.
func TestBindingsWhileClientsCome(t *testing.T) {
	n := node.StartForTest(t, strings.Replace(millionText, "1000000", "20000", 1))
	url := listen(t, n)
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			n.BindAddresses(t, "mail", "owa", netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 10_000)
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		writers.Wait()
	}()
	deleted, turns := 0, 0
	for over := false; !over; turns++ {
		select {
		case <-done:
			over = true
		default:
		}
		if rows, end := lines(t, url); !end.End || end.Rows != rows {
			t.Errorf("%d rows, %+v", rows, end)
		}
		var d admin.Deleted
		decode(t, ask(t, "DELETE", url+fmt.Sprintf("/api/v1/bindings?server=cas%d", 1+turns%2)), &d)
		deleted += d.Deleted
	}
	for _, server := range []string{"cas1", "cas2"} {
		var d admin.Deleted
		decode(t, ask(t, "DELETE", url+"/api/v1/bindings?server="+server), &d)
		deleted += d.Deleted
	}
	if left := n.Status().Table.Bindings; left != 0 || deleted == 0 || deleted > 20_000 {
		t.Errorf("%d left, %d deleted in %d turns; want none left of 20000", left, deleted, turns)
	}
}
