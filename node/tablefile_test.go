package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// named is a server that answers every request with its name.
type named struct{ name, addr string }

func namedServer(tb testing.TB, name string) named {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	tb.Cleanup(s.Close)
	return named{name, s.Listener.Addr().String()}
}

// ask sends a request from an address of loopback to the VIP mail, and returns
// who answers.
func (r *rig) ask(from int) string { return r.askVIP("mail", from) }

func (r *rig) askVIP(vip string, from int) string {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(from))}}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.Addrs(vip)[0].String() + "/owa/")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	name, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("status %d, %q, %v", resp.StatusCode, name, err)
	}
	return string(name)
}

// serve starts a node for two named servers, of which first stands first.
func serve(t *testing.T, dir string, first, second named) *rig {
	t.Helper()
	text := strings.NewReplacer(`"cas1"`, fmt.Sprintf("%q", first.name), `"cas2"`, fmt.Sprintf("%q", second.name)).Replace(
		fmt.Sprintf(poolText+vipText, first.addr, second.addr, `algorithm = "round_robin"`, "mail"))
	r := newRig(t, dir, text+unprobed)
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	return r
}

// Clients are found again after a restart, by the name of their server: its
// place in the configuration, and with it its number, may have changed.
func TestBindingsSurviveARestart(t *testing.T) {
	dir, one, two := t.TempDir(), namedServer(t, "one"), namedServer(t, "two")
	r := serve(t, dir, one, two)
	const clients = 20
	home, count := make(map[int]string), make(map[string]int)
	for i := range clients {
		home[i] = r.ask(i + 1)
		count[home[i]]++
	}
	if len(count) != 2 {
		t.Fatalf("clients by server: %v; want both", count)
	}
	r.stop()
	if st, err := os.Stat(filepath.Join(dir, tableFileName)); err != nil || st.Mode() != 0o600 {
		t.Fatalf("%v, %v; want a file that its owner alone may read", st, err)
	}
	r = serve(t, dir, two, one)
	if st := r.Status().Table; st.File.Restored != clients || st.Bindings != clients || st.File.RestoreError != "" {
		t.Errorf("Table = %+v; want %d bindings restored", st, clients)
	}
	if e := r.events.newest(); !strings.Contains(fmt.Sprint(e), "20 bindings, saved 2") {
		t.Errorf("events = %v; want one of the bindings", e)
	}
	for i := range clients {
		if got := r.ask(i + 1); got != home[i] {
			t.Errorf("client %d is served by %s; was by %s", i, got, home[i])
		}
	}
	r.stop()
	r = serve(t, dir, named{"three", two.addr}, one)
	if st := r.Status().Table; st.Bindings != count["one"] || st.File.Restored != count["one"] {
		t.Errorf("Table = %+v; want the %d bindings of the server that is left", st, count["one"])
	}
}

// A file that cannot be used is set aside, and casbah starts without bindings.
func TestUnusableTableFileIsSetAside(t *testing.T) {
	one, two := namedServer(t, "one"), namedServer(t, "two")
	good := func(t *testing.T) (dir string, file []byte) {
		t.Helper()
		dir = t.TempDir()
		r := serve(t, dir, one, two)
		r.ask(1)
		r.stop()
		file, err := os.ReadFile(filepath.Join(dir, tableFileName))
		if err != nil {
			t.Fatal(err)
		}
		return dir, file
	}
	for _, tt := range []struct {
		name   string
		change func(dir string, file []byte) []byte
		aside  string
		said   string
	}{
		{"damaged", func(_ string, f []byte) []byte { f[len(f)-1] ^= 1; return f }, "damaged", "checksum"},
		{"cut", func(_ string, f []byte) []byte { return f[:len(f)/2] }, "damaged", "ends too early"},
		{"newer", func(_ string, f []byte) []byte { f[16] = 77; return f }, "newer", "version is 77"},
		{"foreign", func(dir string, f []byte) []byte {
			if err := os.Remove(filepath.Join(dir, "binding.key")); err != nil {
				t.Fatal(err)
			}
			return f
		}, "foreign", "another binding.key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, file := good(t)
			path := filepath.Join(dir, tableFileName)
			if err := os.WriteFile(path, tt.change(dir, file), 0o600); err != nil {
				t.Fatal(err)
			}
			r := serve(t, dir, one, two)
			st := r.Status()
			if st.Table.Bindings != 0 || !strings.Contains(st.Table.File.RestoreError, tt.said) || !strings.Contains(st.Table.File.RestoreError, path+"."+tt.aside) {
				t.Errorf("Table = %+v; want no binding, and an error with %q", st.Table, tt.said)
			}
			if e := fmt.Sprint(st.Events); !strings.Contains(e, tt.said) || !strings.Contains(r.log.String(), `"level":"warn","part":"persistence","event":"table"`) {
				t.Errorf("events = %s; want %q, in the log too", e, tt.said)
			}
			if _, err := os.Stat(path + "." + tt.aside); err != nil {
				t.Error(err)
			}
			r.ask(1)
			r.stop()
			again := serve(t, dir, one, two)
			if st := again.Status().Table; st.File.Restored != 1 || st.File.RestoreError != "" {
				t.Errorf("the start after that: %+v; want one binding", st)
			}
		})
	}
}

// What a crash in the middle of a save leaves behind harms nobody.
func TestCrashWhileSavingLeavesTheOldFile(t *testing.T) {
	dir, one, two := t.TempDir(), namedServer(t, "one"), namedServer(t, "two")
	r := serve(t, dir, one, two)
	r.ask(1)
	r.stop()
	path := filepath.Join(dir, tableFileName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", file[:len(file)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	r = serve(t, dir, one, two)
	if st := r.Status().Table; st.File.Restored != 1 {
		t.Errorf("Table = %+v; want one binding restored", st)
	}
	r.ask(2)
	r.stop()
	r = serve(t, dir, one, two)
	if st := r.Status().Table; st.File.Restored != 2 {
		t.Errorf("Table = %+v; want two bindings restored", st)
	}
	if _, err := os.Stat(path + ".tmp"); err == nil {
		t.Error("the temporary file is left")
	}
}

// replaceFile changes nothing unless all of it went well.
func TestReplaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(text string) error {
		return replaceFile(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	holds := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("the file holds %q, %v; want %q", got, err, want)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
			t.Errorf("%v; want the file alone", entries)
		}
	}
	if err := write("old"); err != nil {
		t.Fatal(err)
	}
	holds("old")
	err := replaceFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of the n")
		return fs.ErrClosed
	})
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("replaceFile = %v; want %v", err, fs.ErrClosed)
	}
	holds("old")
	if err := os.Symlink("/dev/full", path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := write("new"); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("replaceFile = %v; want no space left on device", err)
	}
	holds("old")
	if err := write("new"); err != nil {
		t.Error(err)
	}
	holds("new")
}

// A full disk is told of, once in the events; the old file stays, and the save
// is tried again until it succeeds.
func TestFullDisk(t *testing.T) {
	dir, one, two := t.TempDir(), namedServer(t, "one"), namedServer(t, "two")
	r := serve(t, dir, one, two)
	k := newKeeping(time.Now())
	path := filepath.Join(dir, tableFileName)
	now := time.Now()
	look := func() string {
		now = now.Add(lookEvery)
		r.lookAtTable(t.Context(), now, k)
		return fmt.Sprint(r.events.newest()[0])
	}
	r.ask(1)
	for range saveEvery / lookEvery {
		look()
	}
	if st := r.Status().Table.File; st.SavedBindings != 1 || !st.Saved.Equal(now) {
		t.Fatalf("%+v; want one binding saved", st)
	}
	r.ask(2)
	if look(); r.Status().Table.File.SavedBindings != 1 {
		t.Error("saved again after a minute")
	}
	disk := func() { // a save removes what stands in its way
		if err := os.Symlink("/dev/full", path+".tmp"); err != nil {
			t.Fatal(err)
		}
	}
	for range saveEvery/lookEvery - 2 {
		look()
	}
	disk()
	if e := look(); !strings.Contains(e, "no space left on device") || !strings.Contains(e, "a restart would go back to those of") {
		t.Errorf("event %s; want one of the full disk", e)
	}
	if st := r.Status().Table.File; st.SavedBindings != 1 || !strings.Contains(st.SaveError, "no space left on device") {
		t.Errorf("%+v; want an error, and the old file kept", st)
	}
	events := len(r.events.newest())
	disk()
	if look(); len(r.events.newest()) != events || strings.Count(r.log.String(), "no space left on device") != 2 {
		t.Errorf("the second try in vain has %d events; want the log alone:\n%s", len(r.events.newest())-events, r.log.String())
	}
	if e := look(); !strings.Contains(e, "saved again") {
		t.Errorf("event %s; want that it is over", e)
	}
	if st := r.Status().Table.File; st.SavedBindings != 2 || st.SaveError != "" {
		t.Errorf("%+v; want both bindings saved", st)
	}
}
