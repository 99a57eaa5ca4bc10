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
	"casbah/engine/enginetest"
)

var errLeft = errors.New("the client has left")

// A stream has a core of its own that knows what it is, counts to its listener and
// to no limit of connections, and ends as any connection does.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got engine.Conn
		ln := &engine.Listener{New: func(c engine.Conn) engine.Core {
			got = c
			return enginetest.Echo(c)
		}}
		e := New(engine.Config{MaxConns: 1, MaxPerSource: 1})
		a, b := net.Pipe()
		if _, ok := e.Attach(b, engine.Conn{ServerName: "mail", Stream: true}, ln); !ok {
			t.Fatal("there is no room")
		}
		enginetest.Send(t, a, "hello")
		enginetest.Expect(t, a, "hello")
		if !got.Stream || got.ServerName != "mail" || e.Open() != 0 || ln.Open() != 1 {
			t.Errorf("core of %+v; %d connections, %d streams", got, e.Open(), ln.Open())
		}
		reasons := make(chan engine.Reason, 1)
		ln.OnRefuse = func(r engine.Reason) { reasons <- r }
		if _, ok := e.Attach(b, engine.Conn{}, ln); ok || <-reasons != engine.EngineFull {
			t.Error("there are more streams than there may be connections")
		}
		_ = a.Close()
		finish(t, e)
		if ln.Open() != 0 {
			t.Errorf("%d streams are left", ln.Open())
		}
	})
}

// A stream whose core does not read is told of the end of its client.
func TestHangUpOfHeldStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		core := &enginetest.Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Hold(l, true)
				return len(p)
			},
			OnEnd: func(_ engine.Leg, err error, _ engine.Driver) { ended <- err },
		}
		e := New(engine.Config{})
		a, b := net.Pipe()
		hangUp, _ := e.Attach(b, engine.Conn{}, &engine.Listener{New: func(engine.Conn) engine.Core { return core }})
		enginetest.Send(t, a, "x")
		synctest.Wait()
		hangUp(errLeft)
		if err := <-ended; !errors.Is(err, errLeft) {
			t.Errorf("End(%v); want %v", err, errLeft)
		}
		hangUp(errLeft) // again is nothing
		finish(t, e)
		_ = a.Close()
	})
}

// A drain lets streams end with their requests, and begin where their connection
// is open; a kill ends all.
func TestStreamsWhenTheEngineStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(engine.Config{})
		ln := &engine.Listener{New: enginetest.Echo}
		a, b := net.Pipe()
		e.Attach(b, engine.Conn{}, ln)
		synctest.Wait()
		e.Drain()
		enginetest.Send(t, a, "goes on")
		enginetest.Expect(t, a, "goes on")
		a2, b2 := net.Pipe()
		if _, ok := e.Attach(b2, engine.Conn{}, ln); !ok {
			t.Error("a stream is refused while casbah drains")
		}
		e.Kill()
		for _, nc := range []net.Conn{a, a2} {
			if _, err := io.ReadAll(nc); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("read: %v", err)
			}
		}
		if _, ok := e.Attach(b, engine.Conn{}, ln); ok {
			t.Error("a stream begins after the kill")
		}
		finish(t, e)
	})
}

// carrier is a session that tells what is asked of it.
type carrier struct {
	nc     *tls.Conn
	drains chan struct{}
	panics bool
}

func (s *carrier) Serve() {
	if s.panics {
		panic("a session's own fault")
	}
	_, _ = io.Copy(io.Discard, s.nc)
}

func (s *carrier) Drain() { close(s.drains) }

// Who chooses HTTP/2 gets a session, which is drained, killed and counted like a
// core; who does not gets a core.
func TestSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offer  []string
		panics bool
	}{{"h2", []string{"h2"}, false}, {"fault", []string{"h2"}, true}, {"http/1.1", []string{"http/1.1"}, false}} {
		t.Run(tt.name, func(t *testing.T) {
			conf := enginetest.ServerTLS().Clone()
			conf.NextProtos = []string{"h2", "http/1.1"}
			s := &carrier{drains: make(chan struct{}), panics: tt.panics}
			faults := make(chan any, 1)
			e := New(engine.Config{OnPanic: func(_ string, value any, _ []byte) { faults <- value }})
			ln := &engine.Listener{TLS: conf, New: enginetest.Echo, Session: func(nc *tls.Conn, c engine.Conn) engine.Session {
				if !c.Secure {
					t.Error("the session is not told of TLS")
				}
				s.nc = nc
				return s
			}}
			a, b := net.Pipe()
			e.ServeConn(b, ln)
			client := enginetest.ClientTLS().Clone()
			client.NextProtos = tt.offer
			c := tls.Client(a, client)
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Write([]byte("hi")); err != nil && !tt.panics {
				t.Fatal(err)
			}
			switch {
			case tt.panics:
				<-faults
			case tt.name == "h2":
				e.Drain()
				<-s.drains
				if e.Open() != 1 {
					t.Errorf("%d connections; want one", e.Open())
				}
				e.Kill()
			default:
				enginetest.Expect(t, c, "hi")
				e.Kill()
			}
			finish(t, e)
			_ = a.Close()
		})
	}
}

// Two engines that share limits let in as many as one.
func TestSharedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := 1
		e := New(engine.Config{MaxConns: 2, Others: func() int { return others }})
		refused := 0
		ln := &engine.Listener{New: enginetest.Echo, OnRefuse: func(engine.Reason) { refused++ }}
		var clients []net.Conn
		for range 2 {
			a, b := net.Pipe()
			e.ServeConn(b, ln)
			clients = append(clients, a)
		}
		synctest.Wait()
		if e.Open() != 1 || refused != 1 {
			t.Errorf("%d connections, %d refused beside one of another engine; want one each", e.Open(), refused)
		}
		for _, a := range clients {
			_ = a.Close()
		}
		finish(t, e)
	})
}
