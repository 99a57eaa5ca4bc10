package engine

import (
	"errors"
	"math"
)

// ErrStartTLS answers StartTLS in every driver: no protocol that they serve begins
// TLS on an open connection.
var ErrStartTLS = errors.New("engine: STARTTLS: " + errors.ErrUnsupported.Error())

// FreeLeg returns the lowest number above the client's that no leg of a driver
// has (nil is free), and the legs with room for it.
func FreeLeg[L any](legs []*L) (Leg, []*L) {
	for i := 1; i < len(legs); i++ {
		if legs[i] == nil {
			return Leg(i), legs
		}
	}
	if len(legs) > math.MaxUint8 {
		panic("BUG: a core opened more than 255 upstream connections")
	}
	return Leg(len(legs)), append(legs, nil)
}
