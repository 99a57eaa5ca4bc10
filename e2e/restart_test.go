package e2e

import (
	"net"
	"net/http"
	"syscall"
	"testing"
)

// Bindings outlive a stop, also one in which a request had to be cut off, and a
// crash of the process goes back to those that were saved last.
func TestBindingsOutliveTheProcess(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		server := newRogue(t, nil)
		d := startDaemon(t, m, server.Addr().String(), `drain_timeout = "0s"`)
		ask := func(d *daemon, from string) {
			t.Helper()
			conn, err := dial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}, d.vip, d.roots)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w := newWire(t, conn)
			w.within(patience)
			w.say("GET /calm/x HTTP/1.1\r\nHost: h\r\n\r\n")
			if resp, _ := w.response("GET"); resp.StatusCode != http.StatusOK {
				t.Fatalf("status %d", resp.StatusCode)
			}
		}
		want := func(d *daemon, bindings, restored int) {
			t.Helper()
			if st := d.status().Table; st.Bindings != bindings || st.Restored != restored {
				t.Errorf("table: %+v; want %d bindings, %d of them restored", st, bindings, restored)
			}
		}
		ask(d, "127.0.0.1")
		ask(d, "127.0.0.2")
		want(d, 2, 0)
		d.signal(syscall.SIGTERM)
		if code := d.exits(); code != 0 {
			t.Fatalf("exit code %d; want 0", code)
		}
		d = d.again()
		want(d, 2, 2)
		ask(d, "127.0.0.3")
		want(d, 3, 2)
		d.signal(syscall.SIGKILL)
		d.exits()
		want(d.again(), 2, 2)
	})
}
