//go:build linux

package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"

	"casbah/engine"
	"casbah/internal/tlsbio"
)

// session is the TLS of a leg.
type session struct {
	bio   *tlsbio.Conn
	done  bool    // the handshake is over
	ended bool    // close_notify was sent
	plain *buffer // sent by the core, not sealed yet

	reads    bool // crypto/tls reads: what it writes are answers
	answered int  // octets of answers since all that was sent had left
}

// The measures of a session, in octets.
const (
	maxSeal     = 256      // more than what a record adds to its octets
	mostAnswers = 16 << 10 // answers to key updates that a peer does not take: each is 27
)

// errAnswers ends a peer that has crypto/tls write without end and does not read.
var errAnswers = errors.New("reactor: tls: the peer asks for key updates and does not take them")

// secure puts TLS over the socket of l; side is tlsbio.Server or tlsbio.Client.
func (l *leg) secure(side func(*tls.Config, tlsbio.Sink, net.Addr, net.Addr) *tlsbio.Conn, cfg *tls.Config, local, remote netip.AddrPort) {
	l.tls = &session{bio: side(cfg, l, address(remote), address(local))}
}

// address is what crypto/tls is told of an end of the connection.
type address netip.AddrPort

func (address) Network() string  { return "tcp" }
func (a address) String() string { return netip.AddrPort(a).String() }

// Sealed implements tlsbio.Sink. What crypto/tls writes by itself, alerts and
// answers to key updates, goes into the output of its own connection like all
// else.
func (l *leg) Sealed(p []byte) {
	if l.tls.reads {
		l.tls.answered += len(p)
	}
	l.out = l.loop.buffers.add(l.out, p)
	l.mark()
}

// feed reads for a handshake, whose next step waits for its turn.
func (l *leg) feed() {
	n, err := l.fillRaw(l.loop.cipher)
	switch {
	case errors.Is(err, errAgain):
		return
	case errors.Is(err, io.EOF):
		l.eof, l.hot = true, false
		l.tls.bio.FeedEnd()
	case err != nil:
		l.hot = false
		l.shakeFailed(err)
		return
	default:
		l.tls.bio.Feed(l.loop.cipher[:n])
		l.tls.bio.Keep()
	}
	l.shake()
}

// shake puts the next step of the handshake in the queue.
func (l *leg) shake() {
	if !l.shaking {
		l.shaking = true
		l.loop.shaking.push(l)
	}
}

// stepHandshake makes one step: up to where it needs octets of the peer.
func (l *leg) stepHandshake() {
	l.shaking = false
	c := l.conn
	if l.fd < 0 || l.gone || l.tls == nil || l.tls.done {
		return
	}
	l.loop.at = c
	done, err := l.tls.bio.Handshake()
	switch {
	case err != nil:
		l.shakeFailed(err)
	case done:
		l.tls.done = true
		l.until = 0
		l.shaken()
	default:
		l.resume()
	}
	c.run()
	c.settle()
}

// shaken goes on once the handshake is over. Octets may have come behind it.
func (l *leg) shaken() {
	c := l.conn
	switch {
	case l.start == shakes:
		l.start = started
		c.due = true
		l.mark() // for what was sent meanwhile
	case l.endpoint == nil:
		info := c.greets.info
		info.Secure = true
		state := l.tls.bio.State()
		info.ServerName = serverName(&state)
		info.Session = l.tls.bio.Session(&state)
		if len(state.PeerCertificates) > 0 {
			info.Shown = state.PeerCertificates[0]
		}
		c.begin(info)
	default:
		l.dial = dialDone
		c.due = true
		l.mark() // for what was sent before
	}
	l.hot, l.eof = true, false // an end that came meanwhile is met again by a read
	l.resume()
}

// shakeFailed ends a handshake.
func (l *leg) shakeFailed(err error) {
	switch {
	case l.start == shakes:
		l.startFailed(err)
	case l.endpoint == nil:
		l.decline(engine.Handshake)
	default:
		l.dialFailed(err)
	}
}

// fill reads what the peer has sealed into p.
func (s *session) fill(l *leg, p []byte) (n int, err error) {
	for fed := false; n < len(p); {
		k, err := s.read(p[n:])
		n += k
		switch {
		case err == nil:
			continue
		case !errors.Is(err, tlsbio.ErrAgain):
			return n, err
		case n > 0:
			return n, nil
		case fed && !l.hot:
			return 0, errAgain
		}
		// What p cannot take would have to be copied.
		k, err = l.fillRaw(l.loop.cipher[:min(len(p)+maxSeal, len(l.loop.cipher))])
		fed = true
		switch {
		case errors.Is(err, io.EOF):
			s.bio.FeedEnd()
		case err != nil:
			return n, err
		default:
			s.bio.Feed(l.loop.cipher[:k])
		}
	}
	s.bio.Keep()
	l.hot = true // there may be more in the session
	return n, nil
}

// read opens records into p. Every request for a key update is answered within, in
// the output of the leg: without a bound, a peer that sends octets between them, and
// takes nothing, would have it grow for as long as it likes.
func (s *session) read(p []byte) (int, error) {
	s.reads = true
	n, err := s.bio.Read(p)
	s.reads = false
	if s.answered > mostAnswers {
		return n, errAnswers
	}
	return n, err
}

// send takes p to be sealed: a small one when the turn is over, together with
// others, so that they share a record.
func (s *session) send(l *leg, p []byte) {
	if !s.done || len(p) < directLeast {
		s.plain = l.loop.buffers.add(s.plain, p)
		return
	}
	s.seal(l)
	if l.out == nil { // large enough from the start: to grow it is to copy it
		l.out = l.loop.buffers.get(len(p) + maxSeal)
	}
	l.sealed(s.bio.Write(p))
	if l.up && !l.blocked && l.pipe == nil && l.werr == nil {
		l.writeOut() // the buffer is free for the next then
	}
}

// seal seals what was sent.
func (s *session) seal(l *leg) {
	if s.plain == nil {
		return
	}
	b := s.plain
	s.plain = nil
	err := s.bio.Write(b.octets())
	l.loop.buffers.put(b)
	l.sealed(err)
}

func (l *leg) sealed(err error) {
	if err != nil {
		l.writeFailed(err)
	}
}

// end sends close_notify, once.
func (s *session) end() {
	if s.done && !s.ended {
		s.ended = true
		s.bio.CloseWrite()
	}
}

// drop forgets what is not sealed yet.
func (s *session) drop(lp *loop) {
	lp.buffers.put(s.plain)
	s.plain = nil
}

// close releases what the session holds.
func (s *session) close(lp *loop) {
	s.drop(lp)
	s.bio.Close()
}

// queued returns the octets that are not sealed yet.
func (s *session) queued() int {
	if s.plain == nil {
		return 0
	}
	return s.plain.w - s.plain.r
}
