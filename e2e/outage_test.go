package e2e

import (
	"slices"
	"sync"

	"casbah/lab"
)

// outages counts the stops of each server, so that what a stop explains can be
// told from what nothing explains.
type outages struct {
	array *lab.Array

	mu            sync.Mutex // guards the fields below
	begun, ended  []int      // by server
	stoppedServer int        // index; -1: all run
}

func newOutages(array *lab.Array) *outages {
	n := len(array.Servers())
	return &outages{array: array, begun: make([]int, n), ended: make([]int, n), stoppedServer: -1}
}

// moment returns how many outages of each server are over: a stop that ends
// later explains what is lost from now on.
func (o *outages) moment() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ended)
}

// since reports whether a server, or any for "", stopped since that moment.
func (o *outages) since(m []int, server string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, cas := range o.array.Servers() {
		if (server == "" || server == cas.Name()) && o.begun[i] > m[i] {
			return true
		}
	}
	return false
}

// turn stops server i, or starts the one that is stopped. One caller at a time.
func (o *outages) turn(i int) error {
	if o.stoppedServer >= 0 {
		i, o.stoppedServer = o.stoppedServer, -1
		return o.array.CAS(i).Start()
	}
	o.mu.Lock()
	o.begun[i]++
	o.mu.Unlock()
	o.array.CAS(i).Stop()
	o.mu.Lock()
	o.ended[i]++
	o.mu.Unlock()
	o.stoppedServer = i
	return nil
}
