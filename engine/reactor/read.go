//go:build linux

package reactor

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"casbah/engine/bounds"
)

// The measures of reading.
const (
	turnReads = 4       // of one leg in one turn; then others have theirs
	headRead  = 8 << 10 // one read that a core looks at; what is behind it may be spliced
	minRoom   = 2 << 10 // the least room for a read behind octets that the core left
)

// errAgain says that the socket is empty.
var errAgain = errors.New("reactor: nothing to read")

// pump reads l until its socket is empty, somebody asks it to stop, or others
// have waited long enough.
func (l *leg) pump() {
	c := l.conn
	l.loop.at = c
	l.unmute()
	for range turnReads {
		if !l.hot || l.fd < 0 || !l.mayRead() {
			break
		}
		switch {
		case l.gone:
			l.discard()
		case l.tls != nil && !l.tls.done:
			l.feed()
		case l.spliceable() && l.splice():
		default:
			l.receive()
		}
		c.run()
		l.keep()
		if l.parking { // what comes on it now speaks against that
			break
		}
	}
	if l.hot && l.fd >= 0 && l.mayRead() {
		l.resume()
	}
	poison(l.loop.scratch)
	c.settle()
}

// mayRead reports whether octets of l would be taken now.
func (l *leg) mayRead() bool {
	switch {
	case l.eof: // events go on to say that there is an end
		return false
	case l.gone:
		return l.finSent || l.discarded < bounds.LingerOctets // they are discarded
	case l.tls != nil && !l.tls.done: // the handshake's, not the core's, and no more than it has had a turn for
		return !l.shaking
	case l.held:
		return false
	case l.move.to != nil:
		return l.move.to.queued() <= bounds.Full && (!l.move.to.blocked || !l.long())
	default:
		return len(l.unread) < huge
	}
}

// resume has l read again in this turn or the next, if there may be anything.
func (l *leg) resume() {
	if l.hot && !l.ready && l.fd >= 0 {
		l.ready = true
		l.loop.ready = append(l.loop.ready, l)
	}
}

// receive makes one read and notes what it brought.
func (l *leg) receive() {
	lp, c := l.loop, l.conn
	p := lp.scratch
	if l.in != nil {
		l.in.r = l.in.w - len(l.unread)
		if len(l.in.room()) < minRoom {
			l.in = lp.buffers.grow(l.in, minRoom)
			l.unread = l.in.octets() // they have moved
		}
		p = l.in.room()
	} else if l.move.to == nil && l.tls == nil && (l.id == 0 || c.plainClient()) {
		p = p[:headRead]
	}
	n, err := l.fill(p)
	if n > 0 {
		if l.in != nil {
			l.in.w += n
			l.unread = l.in.octets()
		} else {
			l.unread = p[:n]
		}
		l.offer, c.due = true, true
		if c.greets != nil && l.id == 0 {
			l.readProxyHeader()
		}
	}
	if err != nil && !errors.Is(err, errAgain) {
		l.readEnded(err)
	}
}

// plainClient reports whether octets for the client could be spliced.
func (c *conn) plainClient() bool { return c.legs[0] == nil || c.legs[0].tls == nil }

// fill reads into p, with TLS what was sealed. Less than p proves the socket
// empty, unless the peer has closed.
func (l *leg) fill(p []byte) (int, error) {
	if l.tls != nil {
		return l.tls.fill(l, p)
	}
	return l.fillRaw(p)
}

func (l *leg) fillRaw(p []byte) (int, error) {
	n, errno := read(int(l.fd), p)
	l.hot = n == len(p) || l.hup && errno == 0
	switch {
	case errno == unix.EAGAIN:
		return 0, errAgain
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// keep copies what the core left in the scratch of the loop, and gives a buffer
// back that the core has emptied.
func (l *leg) keep() {
	lp := l.loop
	switch {
	case l.gone && l.parking: // what is left of it tells whether it can be parked
		return
	case l.gone:
		l.unread = nil
	case len(l.unread) == 0:
		l.unread = nil
	case l.in == nil:
		l.in = lp.buffers.add(nil, l.unread)
		l.unread = l.in.octets()
		return
	default:
		return
	}
	if l.in != nil {
		lp.buffers.put(l.in)
		l.in = nil
	}
}

// readEnded notes the end of reading. After a clean one the leg may still have
// failed for writing, which nobody else would report.
func (l *leg) readEnded(err error) {
	l.eof, l.hot = true, false
	c := l.conn
	c.due = true
	if c.greets != nil && l.id == 0 {
		l.decline(c.greets.missing())
		return
	}
	if errors.Is(err, io.EOF) {
		l.fin = true
		l.failure = l.werr
		return
	}
	l.failure = err
	if l.werr != nil {
		l.failure = l.werr
	}
}

// discard reads on a leg that is closed, for the peer's sake: closing a socket
// with unread octets resets it, and what the peer has not taken is lost.
func (l *leg) discard() {
	n, errno := read(int(l.fd), l.loop.scratch)
	l.hot = n == len(l.loop.scratch) || l.hup && errno == 0
	l.discarded += int32(n)
	switch {
	case errno == unix.EAGAIN:
	case errno != 0 || l.finSent && l.discarded > bounds.LingerOctets:
		l.shut()
	case n == 0:
		l.eof, l.hot = true, false
		if l.finSent {
			l.shut()
		}
	}
}
