package msrpc

// cursor reads fields one after another. Once something lacks it is bad, and
// everything it returns from then on is zero.
type cursor struct {
	b   []byte
	at  int
	o   order
	bad bool
}

// take returns the next n octets, which are part of b.
func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b)-c.at {
		c.bad = true
		return nil
	}
	p := c.b[c.at : c.at+n : c.at+n]
	c.at += n
	return p
}

// align skips what fills up to a multiple of n from the start of b.
func (c *cursor) align(n int) { c.take(-c.at & (n - 1)) }

func (c *cursor) u8() uint8 {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.take(2); p != nil {
		return c.o.u16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return c.o.u32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return c.o.u64(p)
	}
	return 0
}

func (c *cursor) uuid() UUID {
	if p := c.take(16); p != nil {
		return uuidAt(p, c.o)
	}
	return UUID{}
}

// syntax reads a p_syntax_id_t: a UUID and a version, whose minor is the upper
// half ([C706], Section 12.6.3).
func (c *cursor) syntax() Syntax {
	id, v := c.uuid(), c.u32()
	return Syntax{UUID: id, Major: uint16(v), Minor: uint16(v >> 16)}
}

// rest returns how many octets are left.
func (c *cursor) rest() int { return len(c.b) - c.at }
