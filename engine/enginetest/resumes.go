package enginetest

import (
	"crypto/tls"

	"casbah/engine"
)

// keepsFirst is a session cache that keeps the first session it is given.
type keepsFirst struct{ session *tls.ClientSessionState }

func (c *keepsFirst) Get(string) (*tls.ClientSessionState, bool) {
	return c.session, c.session != nil
}

func (c *keepsFirst) Put(_ string, s *tls.ClientSessionState) {
	if c.session == nil {
		c.session = s
	}
}

// resumes resumes sessions on every loop, whichever sealed their ticket, and takes
// new ticket keys on every loop at once: those of a configuration that
// GetConfigForClient returns, as of one that a listener has itself.
func resumes(t *trial) {
	for _, inner := range []bool{false, true} {
		t.run(map[bool]string{false: "own", true: "for-client"}[inner], func(t *trial) {
			ln := overTLS.listener(Echo)
			keyed := ln.TLS
			if inner {
				ln.TLS = &tls.Config{
					MinVersion:         tls.VersionTLS12,
					GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return keyed, nil },
				}
			}
			old, next := [32]byte{1}, [32]byte{2}
			keyed.SetSessionTicketKeys([][32]byte{old})
			s := t.start(engine.Config{}, ln)
			cache := new(keepsFirst)
			resumesOnAll(t, s, cache, false)
			resumesOnAll(t, s, cache, true)
			keyed.SetSessionTicketKeys([][32]byte{next, old})
			resumesOnAll(t, s, cache, true)
			keyed.SetSessionTicketKeys([][32]byte{next})
			resumesOnNone(t, s, cache)
		})
	}
}

// overLoops connects until every loop has a new connection, or once without
// loops, and returns how many there were and how many of them were resumed.
func overLoops(t *trial, s *served, cache tls.ClientSessionCache) (made, resumed int) {
	t.Helper()
	before := s.Loops()
	for made < 256 {
		cfg := ClientTLS()
		cfg.ClientSessionCache = cache
		nc := tls.Client(Dial(t, s.at), cfg)
		Send(t, nc, "x")
		Expect(t, nc, "x") // behind the ticket
		made++
		if nc.ConnectionState().DidResume {
			resumed++
		}
		all := true
		for i, n := range s.Loops() {
			all = all && n > before[i]
		}
		if all {
			return made, resumed
		}
	}
	t.Fatalf("%d connections left a loop without any: %v, before %v", made, s.Loops(), before)
	return 0, 0
}

// resumesOnAll wants every connection resumed; the first makes the session, if
// there is none.
func resumesOnAll(t *trial, s *served, cache *keepsFirst, has bool) {
	t.Helper()
	if made, resumed := overLoops(t, s, cache); resumed != made && (has || resumed != made-1) {
		t.Errorf("%d of %d sessions were resumed; want all", resumed, made)
	}
}

// resumesOnNone wants full handshakes.
func resumesOnNone(t *trial, s *served, cache *keepsFirst) {
	t.Helper()
	if made, resumed := overLoops(t, s, cache); resumed != 0 {
		t.Errorf("%d of %d sessions were resumed by a key that is gone; want none", resumed, made)
	}
}
