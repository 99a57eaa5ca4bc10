package tlsbio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// crowd are connections that take turns on one loop: one buffer for the input
// of all, and one connection at a time that may write.
type crowd struct {
	t       *testing.T
	rng     *rand.Rand
	scratch []byte
	active  *member
	members []*member
}

// member is one side of one of them.
type member struct {
	*Conn
	of   *crowd
	id   uint64
	out  queue
	peer *member

	sent, got, ended, damaged bool // what happened, for the tally
	wrote, read               int  // octets of its own text, and of the peer's
	err                       error
}

// Sealed fails the test if another connection has its turn.
func (m *member) Sealed(p []byte) {
	if m.of.active != m {
		m.of.t.Errorf("connection %d writes %d octets in the turn of another", m.id, len(p))
	}
	m.out.Sealed(p)
}

// text is what member id writes, from an offset: every 8 octets name it.
func text(id uint64, from, n int) []byte {
	b := make([]byte, 0, n+16)
	for word := from / 8; len(b) < n+8; word++ {
		b = binary.BigEndian.AppendUint64(b, id<<40|uint64(word))
	}
	return b[from%8:][:n]
}

func newCrowd(t *testing.T, seed uint64, pairs int) *crowd {
	t.Helper()
	c := &crowd{t: t, rng: rand.New(rand.NewPCG(seed, 0)), scratch: make([]byte, 3000)}
	for i := range pairs {
		server, client := serverConfig(versions[i%2]), clientConfig()
		a, b := &member{of: c, id: uint64(2*i + 1)}, &member{of: c, id: uint64(2*i + 2)}
		a.peer, b.peer = b, a
		a.Conn = Client(client, a, serverAddr, clientAddr)
		b.Conn = Server(server, b, clientAddr, serverAddr)
		c.members = append(c.members, a, b)
		t.Cleanup(func() {
			a.Close()
			b.Close()
		})
	}
	return c
}

// turn does something with one member.
func (c *crowd) turn(m *member) {
	c.active = m
	defer func() { c.active = nil }()
	switch c.rng.IntN(10) {
	case 0, 1, 2:
		m.write(c.rng.IntN(5000))
	case 3:
		if c.rng.IntN(40) == 0 {
			m.CloseWrite()
			m.ended = m.Done()
		}
	case 4:
		if c.rng.IntN(20) == 0 {
			m.damage()
		}
	default:
		m.take(c.rng.IntN(len(c.scratch)) + 1)
	}
}

// write writes the next n octets of its text.
func (m *member) write(n int) {
	if !m.Done() || m.ended {
		return
	}
	if err := m.Write(text(m.id, m.wrote, n)); err != nil {
		if m.err == nil {
			m.of.t.Errorf("connection %d: Write() = %v", m.id, err)
		}
		return
	}
	m.wrote += n
	m.sent = true
}

// damage flips a bit of what is on its way to the peer.
func (m *member) damage() {
	if len(m.out.b) > 0 && m.Done() {
		m.out.b[m.of.rng.IntN(len(m.out.b))] ^= 1 << m.of.rng.IntN(8)
		m.peer.damaged = true
	}
}

// take feeds up to n octets of what the peer sent, from the buffer that all
// share, and lets it work on them. Some turns leave a part to the next.
func (m *member) take(n int) {
	n = copy(m.of.scratch[:n], m.peer.out.b)
	m.peer.out.b = m.peer.out.b[n:]
	m.Feed(m.of.scratch[:n])
	m.work(m.of.rng.IntN(4))
	m.Keep()
	rubbish := byte(m.of.rng.Uint32())
	for i := range m.of.scratch {
		m.of.scratch[i] = rubbish
	}
}

// work goes on with the handshake, or reads up to so many times.
func (m *member) work(reads int) {
	if m.err != nil {
		return
	}
	if !m.Done() {
		if done, err := m.Handshake(); !done {
			m.failed(err)
			return
		}
	}
	buf := make([]byte, m.of.rng.IntN(5000)+1)
	for range reads {
		n, err := m.Read(buf)
		if want := text(m.peer.id, m.read, n); string(buf[:n]) != string(want) {
			m.of.t.Errorf("connection %d reads %x after %d octets; want %x", m.id, buf[:n], m.read, want)
		}
		m.read += n
		m.got = m.got || n > 0
		if err != nil {
			if !errors.Is(err, ErrAgain) {
				m.failed(err)
			}
			return
		}
	}
}

// failed notes an end. It must be one that the test caused: damage, here or of
// what the peer was told about, or a close_notify after the whole text.
func (m *member) failed(err error) {
	switch {
	case err == nil:
		return
	case m.damaged || m.peer.damaged:
	case errors.Is(err, io.EOF):
		if !m.peer.ended || m.read != m.peer.wrote {
			m.of.t.Errorf("connection %d ends after %d octets of %d", m.id, m.read, m.peer.wrote)
		}
	default:
		m.of.t.Errorf("connection %d: %v", m.id, err)
	}
	m.err = err
}

// TestCrossTalk lets many connections take turns at random, some of them with
// damaged records, over one buffer that is overwritten after every turn. Each
// reads its peer's octets and no others, and writes in its own turn alone.
func TestCrossTalk(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			goroutines(t)
			c := newCrowd(t, seed, 20)
			for range 20_000 {
				c.turn(c.members[c.rng.IntN(len(c.members))])
			}
			var shook, read, ended, alerts int
			for _, m := range c.members {
				c.active = m
				for m.err == nil && (len(m.in) > 0 || len(m.peer.out.b) > 0) {
					m.take(len(c.scratch))
				}
				m.work(1 << 20) // until it has read all
				shook += count(m.Done())
				read += count(m.got && m.peer.sent)
				ended += count(errors.Is(m.err, io.EOF))
				alerts += count(m.err != nil && m.damaged && !errors.Is(m.err, io.EOF))
				if !m.damaged && m.err == nil && m.peer.err == nil && m.read != m.peer.wrote {
					t.Errorf("connection %d has %d octets of %d", m.id, m.read, m.peer.wrote)
				}
			}
			c.active = nil
			if n := len(c.members); shook < n*9/10 || read < n*3/4 || ended == 0 || alerts == 0 {
				t.Errorf("of %d: %d done, %d have read, %d ended, %d broke; want some of each", n, shook, read, ended, alerts)
			}
		})
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestAlertStaysHome: what a Read makes crypto/tls send goes to the sink of its
// connection, while others are in the middle of their records.
func TestAlertStaysHome(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		broken, other := established(t, version), established(t, version)
		write(t, other.client, "other")
		record := other.up.take()
		other.server.Feed(record[:len(record)/2])
		if _, err := other.server.Read(make([]byte, 10)); !errors.Is(err, ErrAgain) {
			t.Fatal(err)
		}
		write(t, broken.client, "text")
		broken.up.b[len(broken.up.b)-1] ^= 1
		if _, err := readAll(broken.server, &broken.up); err == nil || errors.Is(err, ErrAgain) {
			t.Fatalf("Read() = %v; want it to fail", err)
		}
		if len(broken.down.b) == 0 || len(other.down.b) != 0 {
			t.Errorf("%d octets of alert here, %d there", len(broken.down.b), len(other.down.b))
		}
		other.up.b = record[len(record)/2:]
		wantRead(t, other.server, &other.up, "other", ErrAgain)
	})
}
