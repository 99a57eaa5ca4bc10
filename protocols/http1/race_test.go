//go:build race

package http1

// raceEnabled: under the race detector a sync.Pool forgets at random.
const raceEnabled = true
