//go:build race

package hello

// raceEnabled: under the race detector a sync.Pool forgets at random.
const raceEnabled = true
