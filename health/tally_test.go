package health

import (
	"errors"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	m := new(Monitor)
	m.tally.add(time.Second, nil)
	m.tally.add(2*time.Second, errors.New("got 503"))
	m.tally.add(3*time.Second, nil)
	if got, want := m.Tally(), (Tally{Right: 2, Wrong: 1, Took: 6 * time.Second}); got != want {
		t.Errorf("Tally() = %+v; want %+v", got, want)
	}
}
