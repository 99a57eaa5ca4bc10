package tlsterm

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"sync"

	"casbah/internal/tlsid"
)

// Sessions gives the handshakes of one VIP its configuration, and a random
// identity to each session that they begin. The identity travels sealed in the
// ticket, is carried on at each resumption, and is the key of the chain step
// ssl_id. Made by TicketKeys.Sessions.
type Sessions struct {
	base *tls.Config
	asks *ClientAuth // nil: clients show no certificates
	keys *TicketKeys
	free sync.Pool // of *sealer
}

// Sessions returns what seals the tickets of base under k. Base, to which asks was
// applied unless it is nil, is not changed afterwards.
func (k *TicketKeys) Sessions(base *tls.Config, asks *ClientAuth) *Sessions {
	return &Sessions{base: base, asks: asks, keys: k}
}

// Config serves tls.Config.GetConfigForClient. Where the connection is a
// tlsid.Carrier, its note gets the identity.
func (s *Sessions) Config(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	w, ok := s.free.Get().(*sealer)
	if !ok || s.asks != nil && w.trust != s.asks.trust.Load() {
		w = s.newSealer()
	}
	if c, ok := hello.Conn.(tlsid.Carrier); ok {
		w.note = c.TLSNote()
	} else {
		w.note = new(tlsid.Note) // nobody asks for it
	}
	return w.config, nil
}

// sealer serves one handshake at a time: crypto/tls does not tell WrapSession
// whose ticket it is. It is free again once the ticket is sealed, the last that
// crypto/tls asks of it, although connections refer to its config to their end;
// one whose handshake comes to no ticket is left to the garbage collector.
type sealer struct {
	sessions *Sessions
	config   *tls.Config
	trust    *clientTrust // in those who issue clients' certificates; nil: none is asked for
	note     *tlsid.Note
}

func (s *Sessions) newSealer() *sealer {
	w := &sealer{sessions: s, config: s.base.Clone()}
	if s.asks != nil {
		w.trust = s.asks.trust.Load()
		w.config.ClientCAs = w.trust.roots
	}
	w.config.WrapSession, w.config.UnwrapSession = w.wrap, w.unwrap
	return w
}

// unwrap serves tls.Config.UnwrapSession. A ticket that is not ours, or has no
// identity, is none: the handshake is a full one. So is one of a client whose
// certificate was verified by other files. By a session it would be refused although
// the client may have a new certificate by now, and in TLS 1.3 again and again: each
// time it has got another ticket before.
func (w *sealer) unwrap(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	if len(ticket) == 0 {
		return nil, nil
	}
	session, err := w.sessions.keys.seal.DecryptTicket(ticket, cs)
	if session == nil || err != nil {
		return nil, err
	}
	id, ok := identityIn(session.Extra)
	if !ok || w.trust != nil && !w.trust.agrees(session.Extra) {
		return nil, nil
	}
	w.note.Opened(id)
	return session, nil
}

// wrap serves tls.Config.WrapSession.
func (w *sealer) wrap(cs tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	id := w.note.ID(cs.DidResume)
	if id.IsZero() {
		rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	}
	w.note.Sealed(id)
	session.Extra = append(session.Extra, entryOf(id))
	if w.trust != nil && len(cs.PeerCertificates) > 0 {
		session.Extra = append(session.Extra, w.trust.entry())
	}
	ticket, err := w.sessions.keys.seal.EncryptTicket(cs, session)
	w.note = nil
	w.sessions.free.Put(w)
	return ticket, err
}

// identityMark begins our entry in tls.SessionState.Extra, which layers share.
// The digit is the version of the form.
const identityMark = "casbah-id-1:"

// entryOf returns the entry for id.
func entryOf(id tlsid.ID) []byte { return append([]byte(identityMark), id[:]...) }

// identityIn returns the identity that extra holds. Entries of others are passed
// over; one of ours that is broken, zero or there twice is none.
func identityIn(extra [][]byte) (id tlsid.ID, ok bool) {
	for _, entry := range extra {
		value, ours := bytes.CutPrefix(entry, []byte(identityMark))
		if !ours {
			continue
		}
		if ok || len(value) != len(id) {
			return tlsid.ID{}, false
		}
		id, ok = tlsid.ID(value), true
	}
	if id.IsZero() {
		return id, false
	}
	return id, ok
}
