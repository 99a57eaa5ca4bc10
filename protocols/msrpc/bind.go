package msrpc

// Bind is a bind or an alter_context PDU ([C706], Sections 12.6.4.3 and
// 12.6.4.1). Parsed, its Auth is part of the PDU.
type Bind struct {
	Header           Header
	MaxXmit, MaxRecv uint16 // octets of a fragment
	Association      uint32 // that the connection is to join: assoc_group_id; 0: a new one
	Contexts         []Context
	Auth             Auth
}

// Context offers an interface in the transfer syntaxes that the client knows.
type Context struct {
	ID       uint16
	Abstract Syntax
	Transfer []Syntax // 255 at most
}

// The least that these take, in octets.
const (
	syntaxSize  = 20
	contextSize = 4 + syntaxSize
	resultSize  = 4 + syntaxSize
)

// ParseBind reads a whole bind or alter_context PDU.
func ParseBind(pdu []byte) (Bind, error) {
	c, err := open(pdu, Of(TypeBind, TypeAlterContext))
	if err != nil {
		return Bind{}, err
	}
	b := Bind{Header: c.header, Auth: c.auth, MaxXmit: c.u16(), MaxRecv: c.u16(), Association: c.u32()}
	if b.Contexts = list(&c.cursor, 3, contextSize, c.context); c.bad {
		return Bind{}, ErrPDU
	}
	return b, nil
}

// list reads a count of one octet, so much that fills it up, and as many elements of
// at least size octets, which read reads.
func list[T any](c *cursor, fill, size int, read func() T) []T {
	n := int(c.u8())
	c.take(fill)
	if n*size > c.rest() {
		c.bad = true
		return nil
	}
	all := make([]T, n)
	for i := range all {
		all[i] = read()
	}
	return all
}

// context reads a p_cont_elem.
func (c *cursor) context() Context {
	e := Context{ID: c.u16()}
	n := int(c.u8())
	c.take(1)
	e.Abstract = c.syntax()
	if n*syntaxSize > c.rest() {
		c.bad = true
		return e
	}
	for range n {
		e.Transfer = append(e.Transfer, c.syntax())
	}
	return e
}

// AppendTo appends the PDU to dst. It has to fit into 65535 octets.
func (b *Bind) AppendTo(dst []byte) []byte {
	start, o := len(dst), b.Header.Drep.order()
	dst = b.Header.beginBind(dst, b.MaxXmit, b.MaxRecv, b.Association)
	dst = append(dst, byte(len(b.Contexts)), 0, 0, 0)
	for i := range b.Contexts {
		e := &b.Contexts[i]
		dst = o.append16(dst, e.ID)
		dst = append(dst, byte(len(e.Transfer)), 0)
		dst = e.Abstract.append(dst, o)
		for _, t := range e.Transfer {
			dst = t.append(dst, o)
		}
	}
	return b.Header.finish(dst, start, &b.Auth)
}

// beginBind appends what all binds and their answers begin with.
func (h *Header) beginBind(dst []byte, xmit, recv uint16, association uint32) []byte {
	o := h.Drep.order()
	dst = o.append16(h.begin(dst), xmit)
	dst = o.append16(dst, recv)
	return o.append32(dst, association)
}

// BindAck is a bind_ack or an alter_context_resp PDU ([C706], Sections 12.6.4.4
// and 12.6.4.2). Parsed, its Address and Auth are parts of the PDU.
type BindAck struct {
	Header           Header
	MaxXmit, MaxRecv uint16
	Association      uint32 // that the connection has joined
	Address          []byte // sec_addr: the endpoint, without its NUL
	Results          []Result
	Auth             Auth
}

// Outcome is the result of an offered context ([C706], Section 12.6.3;
// [MS-RPCE], Section 2.2.2.4).
type Outcome uint16

// The outcomes.
const (
	Accepted         Outcome = 0
	UserRejected     Outcome = 1
	ProviderRejected Outcome = 2
	NegotiateAck     Outcome = 3 // the reason holds the features of the server
)

// Result is the answer to the context at the same place of the bind.
type Result struct {
	Outcome  Outcome
	Reason   uint16
	Transfer Syntax
}

// ParseBindAck reads a whole bind_ack or alter_context_resp PDU.
func ParseBindAck(pdu []byte) (BindAck, error) {
	c, err := open(pdu, Of(TypeBindAck, TypeAlterResp))
	if err != nil {
		return BindAck{}, err
	}
	b := BindAck{Header: c.header, Auth: c.auth, MaxXmit: c.u16(), MaxRecv: c.u16(), Association: c.u32()}
	b.Address = c.take(int(c.u16()))
	if n := len(b.Address); n > 0 && b.Address[n-1] == 0 {
		b.Address = b.Address[:n-1]
	}
	c.align(4)
	if b.Results = list(&c.cursor, 3, resultSize, c.result); c.bad {
		return BindAck{}, ErrPDU
	}
	return b, nil
}

// result reads a p_result_t.
func (c *cursor) result() Result {
	return Result{Outcome: Outcome(c.u16()), Reason: c.u16(), Transfer: c.syntax()}
}

// AppendTo appends the PDU to dst. It has to fit into 65535 octets.
func (b *BindAck) AppendTo(dst []byte) []byte {
	start, o := len(dst), b.Header.Drep.order()
	dst = b.Header.beginBind(dst, b.MaxXmit, b.MaxRecv, b.Association)
	if len(b.Address) > 0 {
		dst = o.append16(dst, uint16(len(b.Address)+1))
		dst = append(append(dst, b.Address...), 0)
	} else {
		dst = o.append16(dst, 0)
	}
	dst = fill(dst, start, 4)
	dst = append(dst, byte(len(b.Results)), 0, 0, 0)
	for _, r := range b.Results {
		dst = o.append16(dst, uint16(r.Outcome))
		dst = o.append16(dst, r.Reason)
		dst = r.Transfer.append(dst, o)
	}
	return b.Header.finish(dst, start, &b.Auth)
}

// fill appends zeros up to a multiple of n from start.
func fill(dst []byte, start, n int) []byte {
	for (len(dst)-start)%n != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// BindNak is a bind_nak PDU ([C706], Section 12.6.4.5): no context was looked at.
type BindNak struct {
	Header   Header
	Reason   uint16
	Versions [][2]uint8 // of the protocol, major and minor, that the server speaks
}

// ParseBindNak reads a whole bind_nak PDU. What follows the versions is not
// looked at; a PDU that ends behind the reason is taken, as servers send it.
func ParseBindNak(pdu []byte) (BindNak, error) {
	c, err := open(pdu, Of(TypeBindNak))
	if err != nil {
		return BindNak{}, err
	}
	b := BindNak{Header: c.header, Reason: c.u16()}
	if c.rest() > 0 {
		for range c.u8() {
			b.Versions = append(b.Versions, [2]uint8{c.u8(), c.u8()})
			if c.bad {
				break
			}
		}
	}
	if c.bad {
		return BindNak{}, ErrPDU
	}
	return b, nil
}

// AppendTo appends the PDU to dst.
func (b *BindNak) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = b.Header.begin(dst)
	dst = b.Header.Drep.order().append16(dst, b.Reason)
	dst = append(dst, byte(len(b.Versions)))
	for _, v := range b.Versions {
		dst = append(dst, v[0], v[1])
	}
	return b.Header.finish(fill(dst, start, 4), start, new(Auth))
}
