package node

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A reload that nobody waits for any more, so that the names of servers were not
// looked up, changes nothing: else servers would be without an address.
func TestReloadThatIsGivenUp(t *testing.T) {
	conf := strings.ReplaceAll(twoServers(""), "127.0.0.1:1", "localhost:1")
	r := newRig(t, t.TempDir(), conf)
	address := func() bool {
		for _, e := range r.snap.Load().endpoints {
			if _, ok := e.Addr(); !ok {
				return false
			}
		}
		return true
	}
	if !address() {
		t.Skip("this host does not know localhost")
	}
	r.write(strings.Replace(conf, `name = "cas", `, `name = "cas", connect_timeout = "7s", `, 1)) // other endpoints
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Reload = %v; want that it was given up", err)
	}
	if !address() || r.Status().ReloadError == "" {
		t.Errorf("all servers have an address: %t; the reload was refused: %q", address(), r.Status().ReloadError)
	}
	if err := r.Reload(context.Background()); err != nil || !address() {
		t.Errorf("again: %v; all servers have an address: %t", err, address())
	}
}
