//go:build race

package datagram

// raceEnabled: pools forget under the race detector.
const raceEnabled = true
