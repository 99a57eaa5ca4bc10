package msrpc

// Association reads of a connection which association it joins: the one that the
// client's bind asks for, and the one that the server's bind_ack names. It looks
// at the first octets of each side, which it neither takes nor keeps: they are
// offered from the first one on, more of them as long as Client or Server says so.
//
// Whoever relays the connection reads the bind before it chooses a server, and
// the bind_ack before it passes it on. Behind them there is nothing to read: the
// association of a connection does not change ([MS-RPCE], Section 3.3.1.5.7).
type Association struct {
	asked, got uint32
	bound      bool // the client began with a bind
}

// Verdict is what is to become of a side.
type Verdict uint8

// The verdicts.
const (
	More Verdict = iota // offer the same octets again with more behind them
	All                 // all is read that is to be: pass these octets on, and all that follow
)

// AssociationOctets is how many octets of a PDU hold the association ([C706],
// Sections 12.6.4.3 and 12.6.4.4).
const AssociationOctets = 24

// Client looks at what the client has said so far: 24 octets are enough.
func (a *Association) Client(p []byte) Verdict {
	id, is, v := association(p, TypeBind)
	a.asked, a.bound = id, is
	return v
}

// Server looks at what the server has said so far: 24 octets are enough.
func (a *Association) Server(p []byte) Verdict {
	id, _, v := association(p, TypeBindAck)
	a.got = id
	return v
}

// association reads the association in a PDU of type t at the start of p, and
// reports whether there is such a PDU.
func association(p []byte, t Type) (id uint32, is bool, v Verdict) {
	if len(p) < headerSize {
		return 0, false, verdict(!mayBegin(p, t))
	}
	h, err := ParseHeader(p)
	if err != nil || h.Type != t || h.Length < AssociationOctets {
		return 0, false, All
	}
	if len(p) < AssociationOctets {
		return 0, false, More
	}
	return h.Drep.order().u32(p[20:]), true, All
}

// mayBegin reports whether p may be the beginning of a PDU of type t.
func mayBegin(p []byte, t Type) bool {
	return (len(p) < 1 || p[0] == 5) && (len(p) < 2 || p[1] <= 1) && (len(p) < 3 || Type(p[2]) == t)
}

func verdict(all bool) Verdict {
	if all {
		return All
	}
	return More
}

// Bound reports whether the connection began with a bind. One that did not is no
// RPC connection.
func (a *Association) Bound() bool { return a.bound }

// Asked returns the association that the client asks to join: 0 if it begins one.
func (a *Association) Asked() uint32 { return a.asked }

// Got returns the association that the server has put the connection into; 0 if
// it refused the bind, or has not answered it.
func (a *Association) Got() uint32 { return a.got }
