package engine

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// The errors by which every driver answers a StartTLS that cannot begin, or that
// does not end in time.
var (
	ErrNoTLS   = errors.New("engine: no configuration for TLS, or the leg has it already")
	ErrTLSOver = errors.New("engine: TLS was to begin on a leg that has ended")
	ErrTLSTime = fmt.Errorf("engine: TLS handshake: no end in time: %w", os.ErrDeadlineExceeded)
)

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
