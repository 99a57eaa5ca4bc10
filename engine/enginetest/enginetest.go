// Package enginetest holds the behaviour that every driver of package engine
// has, as tests over real sockets of loopback; and what the tests of drivers
// share: a toy core, a relay core, servers, clients. It is for tests alone.
package enginetest

import (
	"slices"
	"sync"
	"testing"

	"casbah/engine"
)

// Run tests engines that open makes. The tests of a driver call it; so every
// driver behaves the same. What waits for time checks lower bounds of it only,
// and Patience is the upper bound of everything.
func Run(t *testing.T, open func(tb testing.TB, cfg engine.Config) engine.Engine) {
	t.Helper()
	root := &trial{t, open}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for _, b := range behaviours() {
		if b.runs == alone {
			root.run(b.name, b.test)
		}
	}
	for _, b := range behaviours() {
		if b.runs == together {
			waiting.Go(func() { root.run(b.name, b.test) })
		}
	}
}

// behaviour is one test. Its name begins with what it is about, so that -run
// finds the tests of that.
type behaviour struct {
	name string
	test func(t *trial)
	runs company
}

// company says beside which others a test runs.
type company uint8

const (
	alone    company = iota
	together         // with its like, once the others are over: it waits for time more than it computes
)

// behaviours returns all.
func behaviours() []behaviour {
	return slices.Concat(
		octets(), ends(), closes(), moves(), wakes(), wakers(), dials(), parks(), ties(), reviews(), stops(),
		panics(), conns(), greetings(), limits(), sockets(), startTLSs(), upStartTLSs(), proxies(),
	)
}

// trial is a test of engines that open makes.
type trial struct {
	*testing.T
	open func(tb testing.TB, cfg engine.Config) engine.Engine
}

// run makes f a subtest.
func (t *trial) run(name string, f func(t *trial)) {
	t.Helper()
	t.Run(name, func(sub *testing.T) { f(&trial{sub, t.open}) })
}
