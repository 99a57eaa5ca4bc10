// Package dialoguetest is what the tests of the mail dialogues share: a relay in
// memory, which drives a dialogue as the package comment of maildialogue asks
// for, and scripts of sessions, which are played in every split.
package dialoguetest

import (
	"testing"

	"casbah/internal/maildialogue"
)

// Dialogue is what a relay drives.
type Dialogue interface {
	FromClient(p []byte, e *maildialogue.Effect) (used int, err error)
	FromServer(p []byte, e *maildialogue.Effect) (used int, err error)
	Secured(dropped int)
	Goodbye(dst []byte) (out []byte, ok bool)
	Injections() uint32
}

// Session is a relay between a client and a server that are octets.
type Session struct {
	D        Dialogue
	ToClient []byte // all that the client got
	ToServer []byte
	Err      error
	TLS      int // handshakes that were begun
	Blind    bool

	tb             testing.TB
	effect         maildialogue.Effect
	scratch        []byte
	client, server leg
	handshake      bool
	dropped        int
}

// leg is one side of a session.
type leg struct {
	unread []byte
	pass   int64
	held   bool
}

// NewSession returns a session that a dialogue follows.
func NewSession(tb testing.TB, d Dialogue) *Session {
	tb.Helper()
	return &Session{D: d, tb: tb}
}

// Client has the client say p. During a handshake it is dropped.
func (s *Session) Client(p []byte) {
	if s.handshake {
		s.dropped += len(p)
		return
	}
	s.client.unread = append(s.client.unread, p...)
	s.pump()
}

// Server has the server say p.
func (s *Session) Server(p []byte) {
	s.server.unread = append(s.server.unread, p...)
	s.pump()
}

// Secure ends the handshake.
func (s *Session) Secure() {
	if s.handshake {
		s.handshake = false
		s.D.Secured(s.dropped)
		s.dropped = 0
		s.pump()
	}
}

// pump offers what there is, the client's first, until nothing goes on.
func (s *Session) pump() {
	for s.turn(&s.client, &s.ToServer, s.D.FromClient) || s.turn(&s.server, &s.ToClient, s.D.FromServer) {
		continue
	}
}

// turn passes or offers octets of one leg and reports whether there was one.
func (s *Session) turn(l *leg, out *[]byte, offer func([]byte, *maildialogue.Effect) (int, error)) bool {
	if s.Err != nil || s.handshake || len(l.unread) == 0 || l.held {
		return false
	}
	if l.pass != 0 {
		n := len(l.unread)
		if l.pass > 0 {
			n = int(min(int64(n), l.pass))
			l.pass -= int64(n)
		}
		*out = append(*out, l.unread[:n]...)
		l.unread = l.unread[n:]
		return true
	}
	e := &s.effect
	e.Reset()
	s.scratch = append(s.scratch[:0], l.unread...) // what a dialogue kept of it would not stay right
	p := s.scratch
	used, err := offer(p, e)
	if used < 0 || used > len(p) {
		s.tb.Fatalf("%d octets used of %d", used, len(p))
	}
	if most := 128*used + 1024; len(e.ToClient)+len(e.ToServer) > most {
		s.tb.Fatalf("%d octets used, %d and %d sent", used, len(e.ToClient), len(e.ToServer))
	}
	clear(p)
	l.unread = l.unread[used:]
	s.carryOut(e, err)
	return used > 0 || e.Stops() && !e.HoldClient
}

// carryOut does what an effect asks for.
func (s *Session) carryOut(e *maildialogue.Effect, err error) {
	s.ToClient = append(s.ToClient, e.ToClient...)
	s.ToServer = append(s.ToServer, e.ToServer...)
	s.Err = err
	if e.StartTLS {
		s.TLS++
		s.handshake = true
		s.dropped = len(s.client.unread)
		s.client.unread = nil
	}
	s.let(&s.client, e.PassClient)
	s.let(&s.server, e.PassServer)
	if e.HoldClient {
		s.client.held = true
	}
	if e.ResumeClient {
		s.client.held = false
	}
}

func (s *Session) let(l *leg, pass int64) {
	switch {
	case pass == 0:
		return
	case l.pass != 0 && pass != -1:
		s.tb.Fatalf("%d octets pass while %d do", pass, l.pass)
	case pass == -1:
		s.Blind = true
	}
	l.pass = pass
}
