package main

import "time"

// point is how casbah was while nobody asked for anything.
type point struct {
	at         time.Duration // since the beginning
	resident   int64         // octets
	files      files
	goroutines int
}

// leastPoints is how many points a trend takes.
const leastPoints = 4

// growth returns the octets that resident memory has grown by over the second
// half of the points, by the line of least squares through them; false if there
// are too few.
func growth(points []point) (octets int64, ok bool) {
	half := points[len(points)/2:]
	if len(half) < leastPoints {
		return 0, false
	}
	var meanT, meanY float64
	for _, p := range half {
		meanT += p.at.Seconds() / float64(len(half))
		meanY += float64(p.resident) / float64(len(half))
	}
	var ty, tt float64
	for _, p := range half {
		t := p.at.Seconds() - meanT
		ty += t * (float64(p.resident) - meanY)
		tt += t * t
	}
	if tt == 0 {
		return 0, false
	}
	return int64(ty / tt * (half[len(half)-1].at - half[0].at).Seconds()), true
}
