package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"casbah/route"
)

// gate is a log whose first write waits until it is opened.
type gate struct {
	open chan struct{}
	buf  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.buf.Write(p)
}

var testRecord = route.Record{
	VIP: "mail", Profile: "owa", Client: netip.MustParseAddrPort("192.0.2.7:1234"), Source: netip.MustParseAddr("198.51.100.7"),
	Server: "cas1", Method: []byte("GET"), Host: []byte("mail.example.org"), Path: []byte("/owa/"), Step: "source_ip", Why: "bound",
	Status: 200, In: 100, Out: 2000, Begin: 1_000_000_000, First: 1_001_500_000, Finish: 1_250_000_000, Pinned: true, Attempts: 2,
}

// The form of a record is a promise: names, order and units.
func TestAccessRecordForm(t *testing.T) {
	var out bytes.Buffer
	l := newAccessLog(&out, nil, nil)
	plain := testRecord
	plain.Source, plain.First, plain.Pinned, plain.Path = plain.Client.Addr(), 0, false, []byte("/\"\n\x00")
	relayed := route.Record{ // of which there is no request
		VIP: "rpc", Profile: "rpc_client_access", Client: plain.Client, Source: plain.Source, Relayed: true, Server: "cas1", Why: "fresh",
		In: 100, Out: 2000, Begin: 1_000_000_000, Finish: 61_250_000_000, End: route.EndIdle, Attempts: 1,
	}
	for _, r := range []*route.Record{&testRecord, &plain, &relayed} {
		if !l.record(r) {
			t.Fatal("a record was dropped")
		}
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"1970-01-01T00:00:01.250Z","vip":"mail","profile":"owa","client":"192.0.2.7:1234","source":"198.51.100.7",` +
		`"server":"cas1","method":"GET","host":"mail.example.org","path":"/owa/","status":200,"step":"source_ip","why":"bound",` +
		`"in":100,"out":2000,"first":0.0015,"duration":0.25,"end":"done","attempts":2,"pinned":true}` + "\n" +
		`{"time":"1970-01-01T00:00:01.250Z","vip":"mail","profile":"owa","client":"192.0.2.7:1234",` +
		`"server":"cas1","method":"GET","host":"mail.example.org","path":"/\"\n\u0000","status":200,"step":"source_ip","why":"bound",` +
		`"in":100,"out":2000,"duration":0.25,"end":"done","attempts":2}` + "\n" +
		`{"time":"1970-01-01T00:01:01.250Z","vip":"rpc","profile":"rpc_client_access","client":"192.0.2.7:1234",` +
		`"server":"cas1","step":"","why":"fresh","in":100,"out":2000,"duration":60.25,"end":"idle","attempts":1}` + "\n"
	if out.String() != want {
		t.Errorf("records:\n%swant:\n%s", out.String(), want)
	}
}

// A user is recorded where there is one, with memory of the record's own.
func TestAccessRecordNamesTheUser(t *testing.T) {
	var out bytes.Buffer
	l := newAccessLog(&out, nil, nil)
	r := testRecord
	r.User, r.Path = []byte(`example\alice`), bytes.Repeat([]byte("p"), 100_000)
	l.record(&r)
	clear(r.User)
	r.User = nil
	l.record(&r)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(first, `"pinned":true,"user":"example\\alice"`) || strings.Contains(second, "user") {
		t.Errorf("records:\n%s\n%s\nwant example\\alice in the first alone", first, second)
	}
}

// A record keeps nothing of its caller, and cuts what is long.
func TestAccessRecordHasMemoryOfItsOwn(t *testing.T) {
	var out bytes.Buffer
	l := newAccessLog(&out, nil, nil)
	r := testRecord
	r.Method, r.Host, r.Path = bytes.Repeat([]byte("M"), 100), bytes.Repeat([]byte("h"), 1000), bytes.Repeat([]byte("p"), 100_000)
	l.record(&r)
	for _, b := range [][]byte{r.Method, r.Host, r.Path} {
		clear(b)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	var got struct{ Method, Host, Path string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != strings.Repeat("M", 32) || got.Host != strings.Repeat("h", 128) || got.Path != strings.Repeat("p", 512-32-128) {
		t.Errorf("record = %q; want the beginnings", got)
	}
}

// A disk that stands still drops records and holds up nobody.
func TestAccessLogThatIsTooSlow(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	l := newAccessLog(g, nil, nil)
	taken, dropped := 0, 0
	for range 3 * accessQueue {
		if l.record(&testRecord) {
			taken++
		} else {
			dropped++
		}
	}
	if taken < accessQueue || dropped == 0 {
		t.Errorf("%d records taken, %d dropped; want at least %d taken and some dropped", taken, dropped, accessQueue)
	}
	close(g.open)
	if err := l.stop(); err != nil {
		t.Errorf("stop = %v", err)
	}
	if n := bytes.Count(g.buf.Bytes(), []byte("\n")); n != taken {
		t.Errorf("%d records are written; want all %d that were taken", n, taken)
	}
}

func TestOpenAccessLog(t *testing.T) {
	if l, err := openAccessLog("off", nil); l != nil || err != nil {
		t.Errorf("openAccessLog(off) = %v, %v; want none", l, err)
	}
	missing := filepath.Join(t.TempDir(), "none", "access.log")
	if _, err := openAccessLog(missing, nil); err == nil || !strings.Contains(err.Error(), "log.access: open "+missing) {
		t.Errorf("openAccessLog = %v; want an error that names the key and the file", err)
	}
}

// A file that was renamed gets what was recorded before, and the new one of its
// name what comes after; an error leaves the old one in use.
func TestReopenAccessLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "access.log")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := openAccessLog(path, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	lines := func(path string) int {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("\n"))
	}
	step := func(n int, move func() error, want string) {
		t.Helper()
		for range n {
			l.record(&testRecord)
		}
		if err := move(); err != nil {
			t.Fatal(err)
		}
		if err := l.reopen(t.Context()); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("reopen = %v; want %q", err, want)
		}
	}
	step(3, func() error { return os.Rename(path, path+".1") }, "")
	if n := lines(path + ".1"); n != 3 {
		t.Errorf("%d lines in the old file; want 3", n)
	}
	step(5, func() error { return nil }, "") // nobody renamed it
	step(7, func() error { return os.Rename(filepath.Dir(path), filepath.Join(dir, "gone")) }, "no such file")
	l.record(&testRecord)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if n := lines(filepath.Join(dir, "gone", "access.log")); n != 13 {
		t.Errorf("%d lines in the new file; want 13", n)
	}
	if err := l.reopen(t.Context()); err != nil {
		t.Errorf("reopen after stop = %v", err)
	}
}

// A disk that stays full is told of once for each batch, not for each record: the
// log of the process would fill the next disk.
func TestFullDiskIsNoFlood(t *testing.T) {
	complaints := 0
	zerolog.ErrorHandler = func(error) { complaints++ }
	t.Cleanup(func() { zerolog.ErrorHandler = nil })
	told := 0
	l := newAccessLog(&fullDisk{full: true}, nil, func(error) { told++ })
	const records = 2000 // more than the buffer holds
	for range records {
		l.record(&testRecord)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if complaints > 0 || told == 0 {
		t.Errorf("%d complaints of the logger, told %d times of %d records; want none, and at least once", complaints, told, records)
	}
}

// fullDisk fails as long as it is full.
type fullDisk struct {
	full bool
	buf  bytes.Buffer
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.full {
		return 0, errors.New("no space left on device")
	}
	return d.buf.Write(p)
}

// What a full disk does not take is lost, is told of, and is not all: the log goes
// on once there is room.
func TestAccessLogOnAFullDisk(t *testing.T) {
	d := &fullDisk{full: true}
	var told []error
	first := make(chan struct{})
	l := newAccessLog(d, nil, func(err error) {
		told = append(told, err)
		d.full = false // the writer is the only one that looks
		close(first)
	})
	l.record(&testRecord)
	<-first
	l.record(&testRecord)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(d.buf.Bytes(), []byte("\n")); n != 1 || len(told) != 1 {
		t.Errorf("%d records are written, %v told; want 1, 1", n, told)
	}
}
