//go:build race

package node_test

// raceDetector tells whether the test was built with -race.
const raceDetector = true
