package engine

import "time"

// WallClock returns the clock of an Engine that is given none: the time of day
// when it was made, and monotonic time from there, so that it never goes back.
func WallClock() func() int64 {
	start := time.Now()
	origin := start.UnixNano()
	return func() int64 { return origin + int64(time.Since(start)) }
}
