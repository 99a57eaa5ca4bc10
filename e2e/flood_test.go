package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// floodRole is the environment variable that makes this program a flood: its
// value is the VIP, its address and how many times to connect to it, such as
// "plain 127.0.0.1:80 12000".
const floodRole = "CASBAH_E2E_FLOOD"

// floodWorkers is how many connections a flood opens at a time.
const floodWorkers = 128

// tally is what became of the connections of a flood.
type tally struct {
	Admitted int // served, and still open
	Told     int // 503 and closed
	Closed   int // closed or reset without a word
	Odd      []string
	Asked    int // requests on admitted connections while others came in
	Failed   int // of these, not answered with 200
}

// waters is a flood at work.
type waters struct {
	addr string
	tls  bool

	mu       sync.Mutex // guards the fields below
	tally    tally
	admitted []*wire
}

// flood opens connections until all are admitted or refused, each with one
// request and from one of many addresses, and writes the tally to out. For every
// line of in it asks again on each admitted connection and writes how many
// answered. It leaves at the end of in.
func flood(in io.Reader, out io.Writer) int {
	var vip, addr string
	var n int
	if _, err := fmt.Sscan(os.Getenv(floodRole), &vip, &addr, &n); err != nil {
		return 2
	}
	w := &waters{addr: addr, tls: vip == "tls"}
	w.rise(n)
	say := json.NewEncoder(out)
	if say.Encode(w.tally) != nil {
		return 1
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if say.Encode(w.again()) != nil {
			return 1
		}
	}
	return 0
}

// rise opens n connections, and meanwhile keeps asking on those that were let in.
func (w *waters) rise(n int) {
	var next atomic.Int64
	var workers, askers sync.WaitGroup
	over := make(chan struct{})
	for range floodWorkers {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				w.drop(int(i))
			}
		})
	}
	askers.Go(func() { w.keepAsking(over) })
	workers.Wait()
	close(over)
	askers.Wait()
}

// drop is one connection of the flood.
func (w *waters) drop(i int) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}, Timeout: patience}
	conn, err := d.Dial("tcp", w.addr)
	if err != nil {
		w.count(nil, 0, fmt.Errorf("dial: %w", err))
		return
	}
	if w.tls { // the handshake comes with the first request
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // a flood does not care whom it hits
	}
	c := newWire(nil, conn)
	status, err := c.ask()
	if status != http.StatusOK {
		_ = conn.Close()
	}
	w.count(c, status, err)
}

// ask sends a request and returns the status of the answer; 0 if the connection
// was closed instead.
func (w *wire) ask() (int, error) {
	w.within(patience)
	// The write may fail where the refusal has come already.
	_, _ = io.WriteString(w.Conn, "GET /calm/x HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, _, err := w.answer("GET")
	switch {
	case err != nil && timedOut(err):
		return 0, err
	case err != nil:
		return 0, nil //nolint:nilerr // a connection broken off is an answer too
	default:
		return resp.StatusCode, nil
	}
}

func (w *waters) count(c *wire, status int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.tally.Odd = append(w.tally.Odd, err.Error())
	case status == http.StatusOK:
		w.tally.Admitted++
		w.admitted = append(w.admitted, c)
	case status == http.StatusServiceUnavailable:
		w.tally.Told++
	case status == 0:
		w.tally.Closed++
	default:
		w.tally.Odd = append(w.tally.Odd, fmt.Sprint("status ", status))
	}
}

// keepAsking asks on one admitted connection after the other.
func (w *waters) keepAsking(over <-chan struct{}) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		case <-pace.C:
		}
		w.mu.Lock()
		var c *wire
		if len(w.admitted) > 0 {
			c = w.admitted[i%len(w.admitted)]
		}
		w.mu.Unlock()
		if c == nil {
			continue
		}
		w.tally.Asked++
		if status, _ := c.ask(); status != http.StatusOK {
			w.tally.Failed++
		}
	}
}

// again asks on every admitted connection and returns how many answered.
func (w *waters) again() int {
	var answered atomic.Int64
	var next atomic.Int64
	var workers sync.WaitGroup
	for range floodWorkers {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(w.admitted)); i = next.Add(1) - 1 {
				if status, _ := w.admitted[i].ask(); status == http.StatusOK {
					answered.Add(1)
				}
			}
		})
	}
	workers.Wait()
	return int(answered.Load())
}

// deluge is a flood in a process of its own.
type deluge struct {
	t   testing.TB
	in  io.WriteCloser
	out *json.Decoder
	cmd *exec.Cmd
}

// startDeluge begins to open n connections to the rig's VIP.
func (r *rig) startDeluge(n int) *deluge {
	tb := r.t
	tb.Helper()
	addr := r.plain
	if r.mode.vip == "tls" {
		addr = r.tls
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	d := &deluge{t: tb, cmd: exec.Command(self)}
	d.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", floodRole, r.mode.vip, addr, n))
	d.cmd.Stderr = os.Stderr
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	d.out = json.NewDecoder(out)
	if err := d.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = d.cmd.Process.Kill() // unless the test saw it leave
		_ = d.cmd.Wait()
	})
	return d
}

// next reads what the flood tells next.
func (d *deluge) next(what any) {
	d.t.Helper()
	if err := d.out.Decode(what); err != nil {
		d.t.Fatalf("the flood ended: %v", err)
	}
}

// again has the flood ask on all admitted connections.
func (d *deluge) again() (answered int) {
	d.t.Helper()
	if _, err := io.WriteString(d.in, "again\n"); err != nil {
		d.t.Fatal(err)
	}
	d.next(&answered)
	return answered
}

// leave ends the flood with all its connections.
func (d *deluge) leave() {
	d.t.Helper()
	_ = d.in.Close()
	if err := d.cmd.Wait(); err != nil {
		d.t.Fatalf("the flood: %v", err)
	}
}
