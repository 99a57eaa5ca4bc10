package route

import "sync/atomic"

// MapperCounters are the figures of a VIP that puts ports of casbah's own into the
// answers of endpoint mappers.
type MapperCounters struct {
	Answers atomic.Uint64 // of the servers' mappers, to questions where interfaces listen
	Given   atomic.Uint64 // of those, with a port of casbah's own
	Left    [leftCauses]atomic.Uint64
}

// LeftCause is why an answer of an endpoint mapper was passed on as it came.
type LeftCause uint8

// The causes.
const (
	LeftProtected LeftCause = iota // signed or sealed
	LeftTooLong                    // more than is held
	LeftUnread                     // not an answer to its question
	LeftDisturbed                  // something else came between its fragments
	LeftUnknown                    // the server does not know the interface
	LeftOther                      // an interface, or a protocol, that casbah has no VIP for
	LeftNotRPC                     // a side that does not speak RPC; counted once, whatever it says
	leftCauses
)

// LeftCauses is how many causes there are.
const LeftCauses = int(leftCauses)

// String returns the cause's label in status and metrics.
func (c LeftCause) String() string {
	return [...]string{"protected", "too_long", "unread", "disturbed", "unknown", "other", "not_rpc"}[c]
}
