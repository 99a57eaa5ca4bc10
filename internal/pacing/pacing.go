// Package pacing lets long transfers to near peers go unpaced.
//
// BBR, where the system uses it, sends each packet by a timer, at the rate that it
// has estimated. That is worth its price on a way of many milliseconds with a
// queue somewhere. Within a site there is nothing to estimate, and the timers are
// two fifths of what a relay costs (docs/PERFORMANCE.md).
package pacing

import (
	"strings"
	"time"
)

const (
	bulk = 1 << 20          // octets to a peer from which on its congestion control matters
	near = time.Millisecond // a least round trip below which a peer is of the same site
)

// Meter counts what is sent to one socket in long pieces. The zero value is one
// that has counted nothing. It stands still once it has counted a mebibyte.
type Meter int32

// Count counts n octets that were sent to fd, a socket of TCP, and that left more
// are going to follow; negative is without end. The one that makes it a mebibyte has
// Reno take the place of BBR if the peer is near. Answers of which each is shorter
// are not counted: between them BBR has nothing to wait for, and Reno has, once
// BBR has turned pacing on.
func (m *Meter) Count(fd, n int, left int64) {
	if *m >= bulk || 0 <= left && left < bulk {
		return
	}
	if *m += Meter(min(n, bulk)); *m >= bulk {
		release(fd)
	}
}

// paced reports whether a peer at least that far away, which is 0 where that is
// not known, is paced without need by a congestion control of that name.
func paced(control string, trip time.Duration) bool {
	return strings.HasPrefix(control, "bbr") && 0 < trip && trip < near
}
