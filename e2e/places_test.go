package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// narrow is a server that counts how much is open to it at once, by HTTP and by
// TCP, and that a test takes out of service.
type narrow struct {
	http, tcp string // addresses
	limit     int
	sick      atomic.Bool // its probes fail
	byHTTP    crowding
	byTCP     crowding
}

// crowding counts what is open at once.
type crowding struct{ open, most, served atomic.Int64 }

func (n *crowding) begin() {
	open := n.open.Add(1)
	for most := n.most.Load(); open > most && !n.most.CompareAndSwap(most, open); most = n.most.Load() {
	}
}

func (n *crowding) end() {
	n.served.Add(1)
	n.open.Add(-1)
}

// newNarrow starts a server that casbah is told to give no more than limit.
func newNarrow(t *testing.T, limit int) *narrow {
	t.Helper()
	n := &narrow{limit: limit}
	web := httptest.NewServer(http.HandlerFunc(n.serve))
	t.Cleanup(web.Close)
	n.http = web.Listener.Addr().String()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	n.tcp = ln.Addr().String()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go n.talk(conn)
		}
	}()
	return n
}

// serve answers probes by whether the server is sick, and requests after a moment.
// Those of impatient clients are not counted: one that has gone is served a moment
// longer than its place is taken.
func (n *narrow) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/probe" && n.sick.Load():
		w.WriteHeader(http.StatusInternalServerError)
		return
	case r.URL.Path == "/probe":
		return
	case r.URL.Path != "/impatient":
		n.byHTTP.begin()
		defer n.byHTTP.end()
	}
	time.Sleep(time.Millisecond)
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "ok")
}

// talk says hello to whoever connects, and waits for the end of what it says.
func (n *narrow) talk(conn net.Conn) {
	defer conn.Close()
	n.byTCP.begin()
	_, _ = io.WriteString(conn, "hello")
	_, _ = io.Copy(io.Discard, conn)
	n.byTCP.end()
}

// newNarrowRig is a rig over those servers, with a VIP that relays to the same
// names by TCP. Each name is one server for casbah, whatever its port.
func newNarrowRig(t *testing.T, m mode, queue string, servers ...*narrow) *rig {
	t.Helper()
	var web, names, tables []string
	for i, n := range servers {
		web = append(web, n.http)
		name := fmt.Sprintf("tcp%d", i+1)
		names = append(names, fmt.Sprintf("%q", name))
		tables = append(tables, fmt.Sprintf("[[server]]\nname = %q\naddress = %q\nmax_connections = %d\n%s\n", name, n.tcp, n.limit, queue))
	}
	r := newRig(t, setup{mode: m, servers: web, profiles: `"web", "free"`, extra: strings.Join(tables, "") + `
[[pool]]
name = "relayed"
servers = [` + strings.Join(names, ", ") + `]
[[vip]]
name = "relayed"
type = "tcp"
listen = ["127.0.0.1:0"]
profiles = ["say"]
pool = "relayed"
[profile.say]
protocol = "tcp"
ports = [7001]
idle_timeout = "60s"
probe = { kind = "none" }
chain = [{ by = "source_ip" }]
[profile.web]
protocol = "http"
paths = ["/"]
idle_timeout = "60s"
chain = [{ by = "source_ip" }]
probe = { path = "/probe", interval = "1s", timeout = "500ms", rise = 1, fall = 1 }
[profile.free]
protocol = "http"
paths = ["/free"]
idle_timeout = "60s"
chain = [{ by = "none" }]
probe = { path = "/probe", interval = "1s", timeout = "500ms", rise = 1, fall = 1 }
`})
	text := r.read()
	for _, n := range servers {
		text = strings.Replace(text, fmt.Sprintf("address = %q\n", n.http), fmt.Sprintf("address = %q\nmax_connections = %d\n%s\n", n.http, n.limit, queue), 1)
	}
	r.write(text)
	if err := r.node.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// Many clients of HTTP and TCP, bound ones and others, of servers that take one to
// three at once and come and go: no server ever has more, nobody is turned away or
// forgotten, and clients that lose patience leave nothing behind.
func TestServersAreNeverOverTheirLimits(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		servers := []*narrow{newNarrow(t, 1), newNarrow(t, 2), newNarrow(t, 3)}
		r := newNarrowRig(t, m, "queue = 1000\nqueue_timeout = \"1m\"", servers...)
		ctx, stop := context.WithCancel(t.Context())
		var sick, clients sync.WaitGroup
		sick.Go(func() { // one at a time
			for i := 0; ctx.Err() == nil; i++ {
				s := servers[i%len(servers)]
				s.sick.Store(true)
				pause(ctx, 1500*time.Millisecond)
				s.sick.Store(false)
				pause(ctx, 1500*time.Millisecond)
			}
		})
		const rounds = 60
		var nobody atomic.Uint64
		for i := range 24 {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 7))
				c := r.client(fmt.Sprintf("127.0.1.%d", 1+i%8)) // three share an address, and its server
				for range rounds {
					if random.IntN(6) == 0 {
						c.losesPatience(time.Duration(random.IntN(8)) * time.Millisecond)
						continue
					}
					switch status := c.asks([]string{"/asks", "/free/asks"}[random.IntN(2)]); status {
					case http.StatusOK:
					case http.StatusServiceUnavailable: // a slow machine may fail the probes of all
						nobody.Add(1)
					default:
						t.Errorf("client %d got %d", i, status)
						return
					}
				}
			})
		}
		for i := range 12 {
			clients.Go(func() {
				for range rounds {
					conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i%4))}, Timeout: patience}).Dial("tcp", r.node.Addrs("relayed")[0].String())
					if err != nil {
						t.Error(err)
						return
					}
					w := newWire(nil, conn)
					w.within(2 * patience)
					hello := make([]byte, 5)
					if _, err := io.ReadFull(w, hello); err != nil {
						t.Errorf("relayed client %d: %v", i, err)
					}
					_ = conn.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
				}
			})
		}
		clients.Wait()
		stop()
		sick.Wait()
		for i, s := range servers {
			for _, n := range []*crowding{&s.byHTTP, &s.byTCP} {
				if most := n.most.Load(); most > int64(s.limit) || n.served.Load() == 0 {
					t.Errorf("server %d served %d, %d of them at once; its limit is %d", i+1, n.served.Load(), most, s.limit)
				}
			}
		}
		r.until("nothing is open and nobody waits", func() bool {
			for _, p := range r.node.Status().Pools {
				for _, s := range p.Servers {
					if s.Active != 0 || s.Places.Waiting != 0 {
						return false
					}
				}
			}
			return true
		})
		var served uint64
		for _, p := range r.node.Status().Pools {
			for _, s := range p.Servers {
				served += s.Places.Served
				if s.Places.Full+s.Places.Late != 0 {
					t.Errorf("%s turned %d away", s.Name, s.Places.Full+s.Places.Late)
				}
			}
		}
		if served == 0 {
			t.Error("nobody has waited")
		}
		if refused := r.vipStatus("plain").Refused; refused["no_server"] < nobody.Load() || refused["queue_full"]+refused["queue_timeout"] != 0 {
			t.Errorf("%d clients were told that no server is up; refused: %v", nobody.Load(), refused)
		}
	})
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// asks sends a request with a body and returns the status of the answer; 0: none.
func (c *client) asks(path string) int {
	resp, err := c.Post(c.base+path, "text/plain", strings.NewReader(strings.Repeat("x", 5000)))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// losesPatience sends a request and does not wait longer than that for the answer.
func (c *client) losesPatience(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/impatient", http.NoBody)
	if resp, err := c.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
