package e2e

import (
	"fmt"
	"testing"
)

// drivers are the engines that every behaviour is tested with.
var drivers = []string{"net", "reactor"}

// mode is what a behaviour is tested in: a driver, and the VIP that is asked.
// The zero value is casbah's own choice of a driver, and plain.
type mode struct {
	engine string // as the configuration names it; empty: not written there
	vip    string // plain or tls
}

// key is the line of casbah.toml that chooses the driver.
func (m mode) key() string {
	if m.engine == "" {
		return ""
	}
	return fmt.Sprintf("engine = %q\n", m.engine)
}

// modes runs f with each driver in front of the plain and of the TLS VIP, all
// at the same time.
func modes(t *testing.T, f func(t *testing.T, m mode)) {
	t.Helper()
	modesInTurn(t, func(t *testing.T, m mode) {
		t.Parallel()
		f(t, m)
	})
}

// modesInTurn is modes for a test that measures, or takes all that the machine
// has.
func modesInTurn(t *testing.T, f func(t *testing.T, m mode)) {
	t.Helper()
	for _, engine := range drivers {
		for _, vip := range []string{"plain", "tls"} {
			t.Run(engine+"/"+vip, func(t *testing.T) { f(t, mode{engine, vip}) })
		}
	}
}

// engines runs f with each driver, for what has to do with both VIPs or with
// none. All run at the same time.
func engines(t *testing.T, f func(t *testing.T, m mode)) {
	t.Helper()
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			f(t, mode{engine: engine})
		})
	}
}
