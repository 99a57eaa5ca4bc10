//go:build race

package relay

// raceEnabled: under the race detector a sync.Pool forgets at random.
const raceEnabled = true
