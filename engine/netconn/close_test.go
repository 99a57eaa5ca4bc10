package netconn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"casbah/engine"
)

// oneShot answers the first octets with answer and closes in that way.
func oneShot(answer string, how engine.How) engine.NewCore {
	return func(engine.Conn) engine.Core {
		return &toy{bytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, []byte(answer))
			d.Close(l, how)
			return len(p)
		}}
	}
}

// TestFlush delivers a whole answer to a client that goes on sending: closing
// with its octets unread would reset the connection.
func TestFlush(t *testing.T) {
	answer := strings.Repeat("answer ", 40<<10)
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		ln.New = oneShot(answer, engine.Flush)
		e := start(t, engine.Config{}, ln)
		nc := connect(t)
		send(t, nc, "x")
		for range 20 {
			send(t, nc, strings.Repeat("y", 1000))
		}
		got, err := io.ReadAll(nc)
		if err != nil || string(got) != answer {
			t.Errorf("read %d octets, %v; want the %d of the answer and EOF", len(got), err, len(answer))
		}
		_ = nc.Close()
		wait(t, e)
	})
}

// TestLingerEnds closes a leg whose peer neither closes nor stops sending.
func TestLingerEnds(t *testing.T) {
	for _, flood := range []bool{false, true} {
		name := map[bool]string{false: "silent", true: "flood"}[flood]
		t.Run(name, func(t *testing.T) {
			ln := &engine.Listener{New: oneShot("bye", engine.Flush)}
			e := start(t, engine.Config{}, ln)
			nc := dial(t, ln)
			send(t, nc, "x")
			expect(t, nc, "bye")
			began := time.Now()
			if flood {
				_, _ = io.Copy(nc, io.LimitReader(zeros{}, 1<<30))
			}
			wait(t, e)
			if took := time.Since(began); took > 2*lingerTime || !flood && took < lingerTime/2 {
				t.Errorf("the leg lingered for %v; want about %v, or less under a flood", took, lingerTime)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFlushIsBounded gives a peer that does not read flushTime.
func TestFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		e := New(engine.Config{})
		e.ServeConn(b, &engine.Listener{New: oneShot("answer", engine.Flush)})
		send(t, a, "x")
		began := time.Now()
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != flushTime {
			t.Errorf("the leg was closed after %v; want %v", took, flushTime)
		}
		_ = a.Close()
	})
}

// TestHalf sends FIN and goes on reading.
func TestHalf(t *testing.T) {
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		got := make(chan string, 1)
		var all bytes.Buffer
		core := &toy{}
		core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			if all.Len() == 0 {
				d.Send(l, []byte("answer"))
				d.Close(l, engine.Half)
				if d.Send(l, []byte("not to be sent")) {
					t.Error("Send() after Half is full; want it dropped")
				}
			}
			all.Write(p)
			return len(p)
		}
		core.end = func(l engine.Leg, _ error, d engine.Driver) {
			got <- all.String()
			d.Close(l, engine.Flush)
		}
		ln.New = fixed(core)
		e := start(t, engine.Config{}, ln)
		nc := connect(t)
		send(t, nc, "one ")
		expect(t, nc, "answer")
		expectEnd(t, nc)
		send(t, nc, "two")
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if s := receive(t, got, "End"); s != "one two" {
			t.Errorf("core got %q; want %q", s, "one two")
		}
		wait(t, e)
	})
}

// TestReset loses what was not sent.
func TestReset(t *testing.T) {
	ln := &engine.Listener{New: oneShot("lost", engine.Reset)}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "x")
	if p, err := io.ReadAll(nc); len(p) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q, %v; want a reset", p, err)
	}
	wait(t, e)
}

// TestResetOfStuckLeg ends a write to a peer that does not read.
func TestResetOfStuckLeg(t *testing.T) {
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		core := &toy{}
		core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, make([]byte, 64<<20))
			d.Wake(1)
			return len(p)
		}
		ticks, reset := 0, make(chan struct{})
		core.tick = func(now int64, _ engine.Cause, d engine.Driver) {
			if ticks++; ticks < 3 {
				d.Wake(now + int64(50*time.Millisecond))
				return
			}
			d.Close(engine.Client, engine.Reset)
			close(reset)
		}
		ln.New = fixed(core)
		e := start(t, engine.Config{}, ln)
		send(t, connect(t), "x")
		receive(t, reset, "third tick")
		wait(t, e)
	})
}

// TestEarlyAnswer delivers what a server sent before it reset the connection on
// which the client was still sending.
func TestEarlyAnswer(t *testing.T) {
	up := upstream(t, false, func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		send(t, nc, "413")
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		time.Sleep(100 * time.Millisecond) // the RST must not overtake the answer
	})
	ln := &engine.Listener{New: newRelay(up, false)}
	start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	go func() { _, _ = io.Copy(nc, zeros{}) }()
	expect(t, nc, "413")
	_ = nc.Close()
}

// TestWriteError reports a leg that fails while nobody reads it.
func TestWriteError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 1)
		core := &toy{}
		core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Hold(l, true)
			d.Wake(1)
			return len(p)
		}
		core.tick = func(_ int64, _ engine.Cause, d engine.Driver) {
			d.Send(engine.Client, []byte("to nobody"))
		}
		core.end = func(_ engine.Leg, err error, _ engine.Driver) { ends <- err }
		a, b := net.Pipe()
		e := New(engine.Config{})
		send2 := make(chan struct{})
		go func() { send(t, a, "x"); _ = a.Close(); close(send2) }()
		e.ServeConn(b, &engine.Listener{New: fixed(core)})
		<-send2
		if err := <-ends; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("End(%v); want %v", err, io.ErrClosedPipe)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
