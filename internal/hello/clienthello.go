package hello

// maxName is the longest name of a host (RFC 1035, Section 2.3.4).
const maxName = 253

// Client is what a ClientHello says (RFC 8446, Section 4.1.2). It holds no
// pointer into the octets.
type Client struct {
	Modern bool // TLS 1.3 is among the versions offered

	session session
	name    [maxName]byte
	named   uint8 // octets of name
}

// Name returns the host that is asked for, in lower case and without a dot at its
// end; empty if none is.
func (c *Client) Name() []byte { return c.name[:c.named] }

// SessionID returns the ID of the session to be resumed; empty without. What a
// client of TLS 1.3 says may be random.
func (c *Client) SessionID() []byte { return c.session.id[:c.session.n] }

// session is the ID of a session.
type session struct {
	id [maxSessionID]byte
	n  uint8
}

// read takes the ID in; false if it is too long for one.
func (s *session) read(b []byte) bool {
	if len(b) > maxSessionID {
		return false
	}
	s.n = uint8(copy(s.id[:], b))
	return true
}

// Client reads a ClientHello from p, all octets of the client so far, into c. It
// is not whole before it reports true; an alert says what is wrong with it.
func (a *Assembly) Client(p []byte, c *Client) (whole bool, alert Alert) {
	if whole, alert = a.whole(p, clientHello); whole {
		alert = withMessage(p, c.read)
	}
	return whole, alert
}

// read reads the content of a ClientHello.
func (c *Client) read(p []byte) Alert {
	*c = Client{}
	m := cursor{p: p}
	version := m.u16()
	m.take(randomOctets)
	ok := c.session.read(m.take(m.u8()))
	suites := m.u16()
	m.take(suites)
	compressions := m.u8()
	m.take(compressions)
	list, whole := m.extensions()
	switch {
	case m.bad || !ok || !whole || suites == 0 || suites%2 != 0 || compressions == 0:
		return DecodeError
	case version < versionSSL3 || version > 0x03ff:
		return ProtocolVersion
	}
	return c.readExtensions(list)
}

func (c *Client) readExtensions(list cursor) Alert {
	var seen uint64 // a bit for each type
	for len(list.p) > 0 {
		kind, body := list.extension()
		if list.bad {
			return DecodeError
		}
		if kind > extSupportedVersions {
			continue
		}
		if seen&(1<<kind) != 0 {
			return IllegalParameter
		}
		seen |= 1 << kind
		var alert Alert
		switch kind {
		case extServerName:
			alert = c.readName(body)
		case extALPN:
			alert = checkALPN(body)
		case extSupportedVersions:
			alert = c.readVersions(body)
		}
		if alert != NoAlert {
			return alert
		}
	}
	return NoAlert
}

// readName reads server_name (RFC 6066, Section 3): a list, in which one name is
// that of a host.
func (c *Client) readName(body cursor) Alert {
	const hostName = 0
	list := cursor{p: body.take(body.u16())}
	if body.bad || len(body.p) > 0 || len(list.p) == 0 {
		return DecodeError
	}
	for named := false; len(list.p) > 0; {
		kind := list.u8()
		name := list.take(list.u16())
		switch {
		case list.bad || len(name) == 0:
			return DecodeError
		case kind != hostName:
			continue
		case named || !c.setName(name):
			return IllegalParameter
		}
		named = true
	}
	return NoAlert
}

// setName takes the name of a host in. It may be an address, which RFC 6066 does
// not allow and clients send; it has nothing that a log or a comparison could
// take for something else.
func (c *Client) setName(name []byte) bool {
	if name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	for i, o := range name {
		switch {
		case 'A' <= o && o <= 'Z':
			o |= 0x20
		case 'a' <= o && o <= 'z', '0' <= o && o <= '9', o == '-', o == '_', o == '.', o == ':':
		default:
			return false
		}
		c.name[i] = o
	}
	c.named = uint8(len(name))
	return true
}

// readVersions reads supported_versions (RFC 8446, Section 4.2.1).
func (c *Client) readVersions(body cursor) Alert {
	list := cursor{p: body.take(body.u8())}
	if body.bad || len(body.p) > 0 || len(list.p) == 0 || len(list.p)%2 != 0 {
		return DecodeError
	}
	for len(list.p) > 0 {
		if list.u16() == versionTLS13 {
			c.Modern = true
		}
	}
	return NoAlert
}

// checkALPN checks the names of application protocols (RFC 7301, Section 3.1).
func checkALPN(body cursor) Alert {
	list := cursor{p: body.take(body.u16())}
	if body.bad || len(body.p) > 0 || len(list.p) == 0 {
		return DecodeError
	}
	for len(list.p) > 0 {
		if name := list.take(list.u8()); list.bad || len(name) == 0 {
			return DecodeError
		}
	}
	return NoAlert
}
