//go:build linux

package reactor_test

import (
	"fmt"
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
	"casbah/engine/reactor"
)

// TestConformance tests what every driver does: with one loop, and with two,
// between which connections are spread.
func TestConformance(t *testing.T) {
	for _, loops := range []int{1, 2} {
		t.Run(fmt.Sprintf("loops=%d", loops), func(t *testing.T) {
			enginetest.Run(t, func(tb testing.TB, cfg engine.Config) engine.Engine {
				tb.Helper()
				e, err := reactor.New(reactor.Config{Config: cfg, Loops: loops})
				if err != nil {
					tb.Fatal(err)
				}
				return e
			})
		})
	}
}
