//go:build race

package bridge

// raceEnabled: under the race detector a sync.Pool forgets at random.
const raceEnabled = true
