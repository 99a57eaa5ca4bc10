//go:build linux

package reactor

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// sealed is a client over TLS of a relay whose server, in clear, sends the same
// answer whenever it is asked. The relay reads none of it before it is told to.
type sealed struct {
	*rig
	client *tls.Conn
	answer []byte
}

func newSealed(t *testing.T, answer []byte) *sealed {
	t.Helper()
	up := enginetest.Upstream(t, false, func(nc net.Conn) {
		for one := make([]byte, 1); ; {
			if _, err := io.ReadFull(nc, one); err != nil {
				return
			}
			_, _ = nc.Write(answer)
		}
	})
	server := engine.Leg(0)
	core := &enginetest.Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if l != engine.Client {
				d.Send(engine.Client, p)
				return len(p)
			}
			if server == 0 {
				server = d.Dial(up, false)
			}
			d.Hold(server, true)
			d.Send(server, p)
			return len(p)
		},
		OnTick: func(_ int64, _ engine.Cause, d engine.Driver) { d.Hold(server, false) },
	}
	s := &sealed{rig: newRig(t, &engine.Listener{New: enginetest.Fixed(core), TLS: enginetest.ServerTLS()}), answer: answer}
	s.client = tls.Client(enginetest.Dial(t, s.at), enginetest.ClientTLS())
	return s
}

// ask asks for the answer, and returns when it is there as a whole, unread.
func (s *sealed) ask() {
	s.t.Helper()
	if _, err := s.client.Write([]byte("?")); err != nil {
		s.t.Fatal(err)
	}
	enginetest.Becomes(s.t, "octets of the answer in the socket", func() (n int) {
		s.on(func(lp *loop) {
			if legs := lp.conns[0].legs; len(legs) > 1 && legs[1].fd >= 0 {
				n, _ = unix.IoctlGetInt(int(legs[1].fd), unix.SIOCINQ)
			}
		})
		return n
	}, len(s.answer))
}

// receive takes the answer.
func (s *sealed) receive() {
	s.t.Helper()
	got := make([]byte, len(s.answer))
	if _, err := io.ReadFull(s.client, got); err != nil || !bytes.Equal(got, s.answer) {
		s.t.Fatalf("another answer came: %v", err)
	}
}

// info returns what the system knows of the socket of the client.
func (s *sealed) info() (info *unix.TCPInfo) {
	s.t.Helper()
	var err error
	s.on(func(lp *loop) {
		info, err = unix.GetsockoptTCPInfo(int(lp.conns[0].legs[engine.Client].fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

// maxRecord is how many octets a record of TLS holds at most: RFC 8446, Section 5.1.
const maxRecord = 16 << 10

// An answer of more than one read goes to a client over TLS in as few packets as it
// fills, once its window is open: the ends of the reads have none of their own.
func TestReadsShareTheirPackets(t *testing.T) {
	s := newSealed(t, bytes.Repeat([]byte("a"), scratchSize+(20<<10)))
	fewest := len(s.answer)
	for range 8 {
		s.ask()
		before := s.info().Data_segs_out
		s.Review()
		s.receive()
		fewest = min(fewest, int(s.info().Data_segs_out-before))
	}
	records := (len(s.answer) + maxRecord - 1) / maxRecord
	if want := (len(s.answer)+22*records)/int(s.info().Snd_mss) + 1; fewest != want {
		t.Errorf("%d packets; want %d", fewest, want)
	}
}

// What ends with a read is not held back for something that does not come.
func TestEndOfReadIsNotHeldBack(t *testing.T) {
	s := newSealed(t, bytes.Repeat([]byte("a"), scratchSize)) // one read: there may be more
	for range 8 {
		s.ask()
		s.Review()
		s.on(func(*loop) {}) // it is read in the turn behind that
		s.on(func(lp *loop) {
			l := lp.conns[0].legs[engine.Client]
			if l.queued() != 0 || lp.cork != (cork{}) {
				t.Errorf("%d octets wait, the cork is %+v; want none", l.queued(), lp.cork)
			}
		})
		s.receive()
	}
}
