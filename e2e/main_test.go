package e2e

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or one of the roles that a test starts this program
// in as a process of its own. Nothing may run on when the tests are over.
func TestMain(m *testing.M) {
	if os.Getenv(floodRole) != "" {
		os.Exit(flood(os.Stdin, os.Stdout))
	}
	// The tests wait more than they work. -parallel has the last word.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		build.remove()
		if pebbleDir != "" {
			_ = os.RemoveAll(pebbleDir)
		}
		os.Exit(code)
	}))
}
