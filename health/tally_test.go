package health

import (
	"errors"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	var c tally
	c.add(time.Second, nil)
	c.add(2*time.Second, errors.New("got 503"))
	c.add(3*time.Second, nil)
	c.add(time.Second, &MisroutedError{Want: "cas1", Got: "cas2"})
	want := Tally{Right: 2, Wrong: 2, Took: 7 * time.Second}
	want.Causes[Wrong], want.Causes[Misrouted] = 1, 1
	if got := c.sum(); got != want {
		t.Errorf("sum() = %+v; want %+v", got, want)
	}
}
