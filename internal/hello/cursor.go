package hello

// cursor reads the fields of a message. Reading past the end yields zeros and is
// remembered.
type cursor struct {
	p   []byte
	bad bool
}

// take returns the next n octets; nil past the end.
func (c *cursor) take(n int) []byte {
	if n > len(c.p) {
		c.p, c.bad = nil, true
		return nil
	}
	b := c.p[:n]
	c.p = c.p[n:]
	return b
}

func (c *cursor) u8() int {
	if b := c.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (c *cursor) u16() int {
	if b := c.take(2); b != nil {
		return int(b[0])<<8 | int(b[1])
	}
	return 0
}

// extension returns the next extension.
func (c *cursor) extension() (kind int, body cursor) {
	kind = c.u16()
	return kind, cursor{p: c.take(c.u16())}
}

// extensions returns what is left as a list of extensions, which before TLS 1.2
// may be missing; false if it is no list of all that is left.
func (c *cursor) extensions() (list cursor, ok bool) {
	if len(c.p) == 0 {
		return cursor{}, !c.bad
	}
	list.p = c.take(c.u16())
	return list, !c.bad && len(c.p) == 0
}
