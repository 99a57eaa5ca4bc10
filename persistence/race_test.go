//go:build race

package persistence

// raceEnabled: under the race detector a sync.Pool forgets at random.
const raceEnabled = true
