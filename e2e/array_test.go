package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"

	"casbah/lab"
)

// arrays counts those of this process.
var arrays atomic.Uint32

// newArray starts an array that ends with the test. Unless the test says where, it
// has an address of its own: the port of a server that is stopped would be given to
// the next who wants one, and answers of another test's array be taken for its.
func newArray(tb testing.TB, o lab.Options) *lab.Array {
	tb.Helper()
	if o.Host == "" && len(o.Hosts) == 0 {
		n := arrays.Add(1)
		o.Host = fmt.Sprintf("127.64.%d.%d", n>>8, n&0xff)
	}
	a, err := lab.NewArray(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(a.Close)
	return a
}
