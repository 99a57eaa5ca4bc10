package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// floodSize is how many connections come, and how many are let in.
func floodSize(t *testing.T, m mode) (come, limit int) {
	t.Helper()
	come, limit = 12_000, 6_000
	if testing.Short() || m.vip == "tls" { // what is tested is not how fast handshakes are
		come, limit = 1_200, 600
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	const others = 400 // files of the rest of the process
	if have := int(min(files.Max, 1<<20)) - others; have < come {
		t.Logf("the limit of open files is %d: %d connections come instead of %d", files.Max, have, come)
		come, limit = have, have/2
	}
	return come, limit
}

// Twice as many connections as the limit: as many as may come are let in and
// served, also while the others are refused, and then all is as before.
func TestFloodAgainstTheConnectionLimit(t *testing.T) {
	modesInTurn(t, func(t *testing.T, m mode) {
		come, limit := floodSize(t, m)
		// The server ends its connections, so that casbah needs one file for a client.
		server := newRogue(t, map[string]act{"x": leaves("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")})
		r := newRig(t, setup{
			mode:    m,
			servers: []string{server.Addr().String()}, profiles: `"calm"`,
			extra: ownProfiles + fmt.Sprintf("[limits]\nconnections = %d\n", limit),
		})
		flood := r.startDeluge(come)
		var got tally
		flood.next(&got)
		if got.Admitted != limit || len(got.Odd) > 0 || got.Told+got.Closed != come-limit {
			t.Errorf("of %d connections %d were served, %d refused with 503, %d closed, %d neither %.5q; want %d served and the others refused",
				come, got.Admitted, got.Told, got.Closed, len(got.Odd), got.Odd, limit)
		}
		if told := got.Told > 0; told != (m.vip == "plain") {
			t.Errorf("%d connections were told why they are refused; want some of the plain ones and no other", got.Told)
		}
		if got.Asked == 0 || got.Failed > 0 {
			t.Errorf("during the flood %d of %d requests on admitted connections failed; want some requests and no failure", got.Failed, got.Asked)
		}
		if answered := flood.again(); answered != limit {
			t.Errorf("after the flood %d of %d admitted connections answer", answered, limit)
		}
		vip := r.vipStatus(m.vip)
		if vip.Refused["connection_limit"] != uint64(come-limit) || vip.Accepted != uint64(limit) || vip.Conns != int64(limit) {
			t.Errorf("counted: %d refused, %d accepted, %d open; want %d, %d, %d",
				vip.Refused["connection_limit"], vip.Accepted, vip.Conns, come-limit, limit, limit)
		}
		flood.leave()
		r.until("no connection is open", func() bool { return r.node.Status().Connections == 0 })
		if a := r.client("127.0.0.9").do("GET", "/calm/after", ""); a.status != http.StatusOK {
			t.Errorf("after the flood a client gets %d", a.status)
		}
	})
}

// The limit of one source address leaves the others alone.
func TestLimitPerSource(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		server := newRogue(t, nil)
		r := newRig(t, setup{
			mode:    m,
			servers: []string{server.Addr().String()}, profiles: `"calm"`,
			extra: ownProfiles + "[limits]\nper_source = 5\n",
		})
		var open []*wire
		for i := range 5 {
			w := r.wire(t, "127.0.0.50")
			if status, err := w.ask(); status != http.StatusOK {
				t.Fatalf("connection %d gets %d, %v; want 200", i+1, status, err)
			}
			open = append(open, w)
		}
		r.turnedAway(t, "127.0.0.50")
		if status, err := r.wire(t, "127.0.0.51").ask(); status != http.StatusOK {
			t.Errorf("another source gets %d, %v; want 200", status, err)
		}
		_ = open[0].Close()
		r.until("a connection has ended", func() bool { return r.node.Status().Connections == 5 })
		if status, err := r.wire(t, "127.0.0.50").ask(); status != http.StatusOK {
			t.Errorf("after one has left the source gets %d, %v; want 200", status, err)
		}
		if vip := r.vipStatus(m.vip); vip.Refused["source_limit"] != 1 {
			t.Errorf("refused: %v; want one source_limit", vip.Refused)
		}
	})
}

// The limit of one VIP leaves the other alone, and changes with a reload.
func TestLimitOfOneVIP(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		server := newRogue(t, nil)
		r := newRig(t, setup{
			mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`,
			vip: "connections = 3", extra: ownProfiles,
		})
		var open []*wire
		come := func(n int) {
			t.Helper()
			for range n {
				w := r.wire(t, "127.0.0.50")
				if status, err := w.ask(); status != http.StatusOK {
					t.Fatalf("connection %d gets %d, %v; want 200", len(open)+1, status, err)
				}
				open = append(open, w)
			}
		}
		refused := func(want uint64) {
			t.Helper()
			r.turnedAway(t, "127.0.0.51")
			if vip := r.vipStatus(m.vip); vip.Refused["vip_limit"] != want || vip.Conns != int64(len(open)) {
				t.Errorf("refused: %v with %d open; want vip_limit %d with %d", vip.Refused, vip.Conns, want, len(open))
			}
		}
		come(3)
		refused(1)
		other := map[string]string{"plain": "tls", "tls": "plain"}[m.vip]
		if status, err := r.at(other).wire(t, "127.0.0.50").ask(); status != http.StatusOK {
			t.Errorf("at the other VIP a client gets %d, %v; want 200", status, err)
		}
		text := r.read()
		r.reload(strings.ReplaceAll(text, "connections = 3", "connections = 5"))
		come(2)
		refused(2)
		r.reload(strings.ReplaceAll(text, "connections = 3", "connections = 1"))
		refused(3)
		for i, w := range open {
			if status, err := w.ask(); status != http.StatusOK {
				t.Errorf("under a lower limit open connection %d gets %d, %v; want 200", i+1, status, err)
			}
		}
		r.reload(strings.ReplaceAll(text, "connections = 3", "connections = 0"))
		come(2)
	})
}

// turnedAway fails unless a connection from source is refused: with 503 where
// casbah can speak before the handshake, and else closed.
func (r *rig) turnedAway(t *testing.T, source string) {
	t.Helper()
	conn, err := r.connect(source)
	if r.mode.vip == "tls" {
		if err == nil {
			_ = conn.Close()
			t.Error("the handshake of one connection too many succeeds")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if status, err := newWire(t, conn).ask(); status != http.StatusServiceUnavailable {
		t.Errorf("one connection too many gets %d, %v; want 503", status, err)
	}
}

// A process that has no file left waits, and goes on when it has. What is open
// keeps working meanwhile.
func TestAcceptOutlivesTheLackOfFiles(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		const files = 256
		server := newRogue(t, nil)
		d := startDaemon(t, m, server.Addr().String(), "", "sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, files))
		kept := d.wire()
		if status, err := kept.ask(); status != http.StatusOK {
			t.Fatalf("before the flood: %d, %v", status, err)
		}
		var flood []net.Conn
		for range files + 100 {
			conn, err := net.Dial("tcp", d.vip)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			flood = append(flood, conn)
		}
		d.until("no file is left", func() bool {
			open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
			return err == nil && len(open) >= files
		})
		if n := d.status().Connections; n >= len(flood) {
			t.Fatalf("%d connections are open; want fewer than came", n)
		}
		if status, err := kept.ask(); status != http.StatusOK {
			t.Errorf("without a file left, an open connection gets %d, %v; want 200", status, err)
		}
		for _, conn := range flood {
			_ = conn.Close()
		}
		d.until("all who left are gone", func() bool { return d.status().Connections == 1 })
		if status, err := d.wire().ask(); status != http.StatusOK {
			t.Errorf("after the flood a client gets %d, %v; want 200", status, err)
		}
		d.signal(syscall.SIGTERM)
		_ = kept.Close()
		if code := d.exits(); code != 0 {
			t.Errorf("exit code %d; want 0", code)
		}
	})
}
