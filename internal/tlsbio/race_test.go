//go:build race

package tlsbio

// raceDetector tells whether the test was built with -race.
const raceDetector = true
