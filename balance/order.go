package balance

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// OrderKind is what an operator wants of a service.
type OrderKind uint8

// The kinds of order. The zero value is none: the probes alone say.
const (
	NoOrder          OrderKind = iota
	OrderDrain                 // bound clients stay, new ones go elsewhere
	OrderFirm                  // likewise, and bound clients leave at their next safe request
	OrderMaintenance           // nobody
)

// String returns the word of the state that the order asks for; none for none.
func (k OrderKind) String() string {
	switch k {
	case OrderDrain, OrderFirm:
		return "drain"
	case OrderMaintenance:
		return "maintenance"
	default:
		return ""
	}
}

// Order is what an operator has ordered for a service, as the cores of its
// connections go by it. All times are Unix nanoseconds, and nothing in it changes
// once it is in force.
type Order struct {
	Kind  OrderKind
	Since int64 // when it came into force
	Until int64 // of a drain: when connections take leave, as maintenance begins; 0: never
	Close int64 // of maintenance: when what is still open is closed; 0: never
}

// none is the order of a service that has none.
var none Order

// Order returns the order in force. It is not to be changed, and never nil.
func (s *Service) Order() *Order {
	if o := s.order.Load(); o != nil {
		return o
	}
	return &none
}

// SetOrder puts o in the place of the order in force, at the time now; one of no
// kind ends it, and what the probes say holds again. It reports the states
// before and after.
func (s *Service) SetOrder(now time.Time, o Order) (before, after State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Who sees the state of the new order, and not the order yet, or the other
	// way round, looks again within a second or so: a connection does both.
	if o.Kind == NoOrder {
		s.order.Store(nil)
	} else {
		s.order.Store(&o)
	}
	return s.enter(now, standing{unpack(s.word.Load()).health, o.Kind})
}

// How connections leave on a firm order. Who leaves has to connect and log on
// anew elsewhere: they are spread, so that the other servers are not run over.
const (
	firmSpread = int64(10 * time.Second) // where no deadline is set
	firmMargin = 10                      // a tenth of the time up to a deadline is for those that were busy
)

// Leaves returns from when on a connection is to take leave, as soon as it can
// between two requests: never under an order that keeps it, in the first half of
// what maintenance gives it. Share tells
// connections apart; see Share.
func (o *Order) Leaves(share uint32) int64 {
	var spread int64
	switch {
	case o.Kind == OrderMaintenance:
		spread = max(o.Close-o.Since, 0) / 2
	case o.Kind != OrderFirm:
		return math.MaxInt64
	case o.Until == 0:
		spread = firmSpread
	default:
		spread = max(o.Until-o.Since, 0)
		spread -= spread / firmMargin
	}
	return o.Since + int64(float64(spread)*float64(share)/(1<<32))
}

// Closes returns when a connection is closed, whatever is open on it.
func (o *Order) Closes() int64 {
	if o.Kind != OrderMaintenance || o.Close == 0 {
		return math.MaxInt64
	}
	return o.Close
}

// Share returns the number by which the connections of a are spread.
func Share(a netip.AddrPort) uint32 {
	b := a.Addr().As16()
	h := mix(binary.BigEndian.Uint64(b[:8]) + uint64(a.Port()))
	return uint32(mix(h^binary.BigEndian.Uint64(b[8:])) >> 32)
}
