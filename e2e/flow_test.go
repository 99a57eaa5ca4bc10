package e2e

import (
	"bytes"
	"net"
	"testing"
	"time"

	"casbah/node"
)

// flowProfile is a profile of datagrams whose clients stay by their address.
const flowProfile = "[profile.dns]\nprotocol = \"udp\"\nports = [53]\nidle_timeout = \"300ms\"\n[[profile.dns.chain]]\nby = \"source_ip\"\n"

// echoes answers datagrams with what they say.
func echoes(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buf[:n], from)
		}
	}()
	return conn.LocalAddr().String()
}

// exchange has a client at that address say text, and hear it again.
func exchange(t *testing.T, c net.Conn, text []byte) {
	t.Helper()
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil || !bytes.Equal(buf[:n], text) {
		t.Fatalf("heard %d octets, %v; want the %d that were said", n, err, len(text))
	}
}

// flowOf returns a client of the VIP at that address.
func flowOf(t *testing.T, r *rig, from string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", r.plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A flow is logged at its end, as a relayed connection is, and counted under its
// VIP; what decided for it can be asked, and explained.
func TestFlowIsRecorded(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		r := newRelay(t, relaySetup{mode: m, kind: "udp", profile: "dns", servers: []string{echoes(t), echoes(t)}, extra: flowProfile})
		c := flowOf(t, r, "127.0.0.2")
		for _, n := range []int{1, 0, 1000, 65507} {
			exchange(t, c, bytes.Repeat([]byte("x"), n))
		}
		rec := r.logged(1)[0]
		if rec.VIP != "flow" || rec.Profile != "dns" || rec.Server == "" || rec.End != "idle" || *rec.Why != "fresh" ||
			rec.Client != c.LocalAddr().String() || rec.In != 66508 || rec.Out != 66508 || rec.Attempts != 1 || rec.Duration < 0.3 {
			t.Errorf("record %+v", rec)
		}
		again := flowOf(t, r, "127.0.0.2")
		exchange(t, again, []byte("again"))
		if next := r.logged(2)[1]; next.Server != rec.Server || *next.Why != "bound" || *next.Step != "source_ip" {
			t.Errorf("record %+v; want the client at %s, bound by source_ip", next, rec.Server)
		}
		v := r.vipStatus("flow")
		if v.Type != "udp" || v.Accepted != 2 || v.Conns != 0 || v.In != 66513 || v.Out != 66513 || v.Ends["idle"] != 2 || v.Dropped != 0 || v.Requests != 0 {
			t.Errorf("status %+v", v)
		}
		e, err := r.node.Explain(&node.Question{URL: "udp://" + r.plain, From: "127.0.0.2"})
		if err != nil || e.VIP != "flow" || e.Server != rec.Server {
			t.Errorf("explained as %+v, %v; want %s", e, err, rec.Server)
		}
		if _, err := r.node.Explain(&node.Question{URL: "tcp://" + r.plain}); err == nil {
			t.Error("a connection to a udp VIP is explained")
		}
	})
}
