package e2e

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/netconn"
	"casbah/engine/reactor"
	"casbah/persistence"
	"casbah/protocols/http1"
	"casbah/route"
)

// stranger is the number of a client connection that there is not.
const stranger = 1 << 60

// crook calls a core with a driver whose connections to servers are somebody else's:
// each is tied to a stranger before the core hears of it.
type crook struct{ engine.Core }

// crookedDriver is that driver, a real one but for this.
type crookedDriver struct{ engine.Driver }

func (d crookedDriver) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	l := d.Driver.Dial(e, reuse)
	d.Tie(l, stranger)
	return l
}

func (c crook) Bytes(now int64, l engine.Leg, p []byte, d engine.Driver) int {
	return c.Core.Bytes(now, l, p, crookedDriver{d})
}

// Whatever a driver hands out, no request leaves on a connection that is somebody
// else's: over real sockets both sides are closed, neither has got an octet, and the
// fault is counted.
func TestForeignConnectionCarriesNothing(t *testing.T) {
	for _, head := range []string{
		"GET /ews/ HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /ews/ HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM TlRMTVNTUAABAAAA\r\nContent-Length: 5\r\n\r\nhello",
	} {
		for _, name := range drivers {
			t.Run(name+"/"+head[:4], func(t *testing.T) {
				server, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
				vip := foreignVIP(t, server.Addr().String())
				var cur route.Current
				cur.Store(vip)
				client := throughCrook(t, name, &cur)
				if _, err := io.WriteString(client, head); err != nil {
					t.Fatal(err)
				}
				if got, _ := io.ReadAll(client); len(got) > 0 { // it ends with a reset
					t.Errorf("the client got %q", got)
				}
				conn, err := server.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				if got, err := io.ReadAll(conn); len(got) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
					t.Errorf("the server got %q, %v; want nothing, and the end", got, err)
				}
				if n := vip.Counters.Identities.Faults.Load(); n != 1 {
					t.Errorf("%d faults counted; want 1", n)
				}
			})
		}
	}
}

// foreignVIP is a VIP with one server.
func foreignVIP(t *testing.T, addr string) *route.VIP {
	t.Helper()
	var servers balance.Servers
	s := servers.Get("cas1")
	e := &balance.Endpoint{Server: s.ID, Name: s.Name, Target: addr}
	e.SetAddr(netip.MustParseAddrPort(addr))
	chain, err := persistence.NewChain(persistence.Config{Scope: "s", Members: []persistence.Member{{ID: s.ID, Name: s.Name}}})
	if err != nil {
		t.Fatal(err)
	}
	algorithm, err := balance.New("round_robin")
	if err != nil {
		t.Fatal(err)
	}
	service := &balance.Service{Server: s, Profile: "ews"}
	service.SetState(time.Now(), balance.Up)
	return &route.VIP{
		Name: "mail", HeadBytes: 64 << 10, HeaderTimeout: time.Minute, IdleTimeout: time.Minute, Counters: new(route.Counters),
		Profiles: []*route.Profile{{
			Name: "ews", Paths: []string{"/ews"}, ResponseTimeout: time.Minute, IdleTimeout: time.Minute, Chain: chain, Algorithm: algorithm,
			Candidates: []balance.Candidate{{Service: service, Endpoint: e, Weight: 100}},
		}},
	}
}

// throughCrook connects to a listener whose cores a crook calls.
func throughCrook(t *testing.T, driver string, cur *route.Current) net.Conn {
	t.Helper()
	var e engine.Engine = netconn.New(engine.Config{})
	if driver == "reactor" {
		var err error
		if e, err = reactor.New(reactor.Config{Loops: 1}); err != nil {
			t.Fatal(err)
		}
	}
	socket, err := e.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- socket.Serve(&engine.Listener{New: func(c engine.Conn) engine.Core { return crook{http1.New(cur, c)} }})
	}()
	t.Cleanup(func() {
		socket.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		e.Kill()
		if err := e.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		e.Close()
	})
	client, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	return client
}
