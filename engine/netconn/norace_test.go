//go:build !race

package netconn

// raceDetector tells whether the test was built with -race.
const raceDetector = false
