//go:build race

package e2e

// raceDetector tells whether the test was built with -race.
const raceDetector = true
