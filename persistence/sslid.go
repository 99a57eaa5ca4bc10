package persistence

// readSession reads the TLS session that the client would resume. Unless it is
// sealed it need not be one: clients of TLS 1.3, and those with tickets, say
// something random, which is bound to nothing.
func (k *walker) readSession(s *step) {
	if len(k.request.SessionID) == 0 {
		k.none(Absent)
		return
	}
	k.walk.sealed = k.request.SessionSealed
	k.key(s.session(k.request.SessionID))
}

// session returns the key of the session of that ID.
func (s *step) session(id []byte) Key {
	h := s.seed
	h.write(id)
	return s.keyOf(h)
}

// KnowsSessions reports whether a step of the chain reads TLS sessions: then the
// chain is to be told of those that servers give.
func (c *Chain) KnowsSessions() bool { return c.has(SSLID) }

// Session takes in the ID of the TLS session that the server of w has given to the
// connection, or resumed: it is bound to that server, and w keeps it alive from
// now on. An ID that the client has brought moves no live binding: a server
// repeats it with a ticket, whatever it is. It is to be called after Bind.
func (c *Chain) Session(now int64, w *Walk, id []byte) {
	if len(id) == 0 || w.served == 0 {
		return
	}
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		s := &c.steps[rd.Step]
		if s.by != SSLID {
			continue
		}
		if key := s.session(id); rd.Key != key || !rd.inUse || !rd.Confirmed {
			c.learn(now, w, rd, key, rd.Key != key)
		}
	}
}
