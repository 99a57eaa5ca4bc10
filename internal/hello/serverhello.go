package hello

// Server is what a ServerHello says (RFC 8446, Section 4.1.3). It holds no
// pointer into the octets.
type Server struct {
	version int
	session session
}

// SessionID returns the ID under which the client may resume the session; empty
// if it may not, or not by an ID, as in TLS 1.3.
func (s *Server) SessionID() []byte {
	if s.version >= versionTLS13 {
		return nil
	}
	return s.session.id[:s.session.n]
}

// Server reads a ServerHello from p, all octets of the server so far, into s. It
// is not whole before it reports true; an alert says what is wrong with it.
func (a *Assembly) Server(p []byte, s *Server) (whole bool, alert Alert) {
	if whole, alert = a.whole(p, serverHello); whole {
		alert = withMessage(p, s.read)
	}
	return whole, alert
}

// read reads the content of a ServerHello. A HelloRetryRequest is one, too, of
// TLS 1.3.
func (s *Server) read(p []byte) Alert {
	*s = Server{}
	m := cursor{p: p}
	s.version = m.u16()
	m.take(randomOctets)
	ok := s.session.read(m.take(m.u8()))
	const suite, compression = 2, 1
	m.take(suite + compression)
	list, whole := m.extensions()
	switch {
	case m.bad || !ok || !whole:
		return DecodeError
	case s.version < versionSSL3 || s.version > 0x03ff:
		return ProtocolVersion
	}
	for selected := false; len(list.p) > 0; {
		kind, body := list.extension()
		switch {
		case list.bad:
			return DecodeError
		case kind != extSupportedVersions:
			continue
		case selected:
			return IllegalParameter
		case len(body.p) != 2:
			return DecodeError
		}
		selected, s.version = true, body.u16()
	}
	return NoAlert
}
