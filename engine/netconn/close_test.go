package netconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// TestFlushIsBounded gives a peer that does not read bounds.FlushTime.
func TestFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		e := New(engine.Config{})
		e.ServeConn(b, &engine.Listener{New: enginetest.OneShot("answer", engine.Flush)})
		enginetest.Send(t, a, "x")
		began := time.Now()
		finish(t, e)
		if took := time.Since(began); took != bounds.FlushTime {
			t.Errorf("the leg was closed after %v; want %v", took, bounds.FlushTime)
		}
		_ = a.Close()
	})
}

// TestFlushTimeIsForProgress gives a peer that takes what is queued, if slowly, all
// of it.
func TestFlushTimeIsForProgress(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			ln := &engine.Listener{New: enginetest.OneShot("answer", engine.Flush)}
			line := &slowPipe{Conn: a}
			client := net.Conn(line)
			if secure {
				ln.TLS = enginetest.ServerTLS()
				client = tls.Client(line, enginetest.ClientTLS())
			}
			e := New(engine.Config{})
			e.ServeConn(b, ln)
			enginetest.Send(t, client, "x")
			line.wait = bounds.FlushTime / 2
			began := time.Now()
			enginetest.Expect(t, client, "answer")
			if took, want := time.Since(began), 3*bounds.FlushTime; took < want {
				t.Errorf("the peer took all in %v; want %v or more", took, want)
			}
			_ = a.Close()
			finish(t, e)
		})
	}
}

// slowPipe is a pipe that is read octet by octet once it is told to wait.
type slowPipe struct {
	net.Conn
	wait time.Duration
}

func (p *slowPipe) Read(b []byte) (int, error) {
	if p.wait == 0 {
		return p.Conn.Read(b)
	}
	time.Sleep(p.wait)
	return p.Conn.Read(b[:1])
}

// halfPipe is a pipe whose peer does not mind FIN.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// TestLingerIsBounded gives a peer that has got everything bounds.LingerTime to close,
// or bounds.LingerOctets.
func TestLingerIsBounded(t *testing.T) {
	for _, flood := range []bool{false, true} {
		name := map[bool]string{false: "silent", true: "flood"}[flood]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				e := New(engine.Config{})
				e.ServeConn(halfPipe{b}, &engine.Listener{New: enginetest.OneShot("bye", engine.Flush)})
				enginetest.Send(t, a, "x")
				enginetest.Expect(t, a, "bye")
				began := time.Now()
				want, sent := bounds.LingerTime, 0
				for err := error(nil); flood && err == nil; {
					want = 0
					n := 0
					n, err = a.Write(make([]byte, small))
					sent += n
				}
				finish(t, e)
				if took := time.Since(began); took != want || flood && sent != bounds.LingerOctets {
					t.Errorf("the leg lingered for %v and %d octets; want %v", took, sent, want)
				}
				_ = a.Close()
			})
		})
	}
}

// TestWriteError reports a leg that fails while nobody reads it.
func TestWriteError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 1)
		core := &enginetest.Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Hold(l, true)
				d.Wake(1)
				return len(p)
			},
			OnTick: func(_ int64, _ engine.Cause, d engine.Driver) {
				d.Send(engine.Client, []byte("to nobody"))
			},
			OnEnd: func(_ engine.Leg, err error, _ engine.Driver) { ends <- err },
		}
		a, b := net.Pipe()
		e := New(engine.Config{})
		go func() { _, _ = io.WriteString(a, "x"); _ = a.Close() }()
		e.ServeConn(b, &engine.Listener{New: enginetest.Fixed(core)})
		if err := <-ends; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("End(%v); want %v", err, io.ErrClosedPipe)
		}
		finish(t, e)
	})
}
