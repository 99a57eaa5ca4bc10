package engine

import "testing"

func TestFreeLeg(t *testing.T) {
	type leg struct{}
	taken := new(leg)
	legs := []*leg{nil} // the client's number is its own, there or not
	for want := Leg(1); want != 0; want++ {
		var got Leg
		if got, legs = FreeLeg(legs); got != want || len(legs) != int(want)+1 {
			t.Fatalf("FreeLeg() = %d of %d; want %d", got, len(legs), want)
		}
		legs[got] = taken
	}
	legs[200], legs[7] = nil, nil
	if got, _ := FreeLeg(legs); got != 7 {
		t.Errorf("FreeLeg() = %d; want 7, the lowest", got)
	}
	legs[200], legs[7] = taken, taken
	defer func() {
		if recover() == nil {
			t.Error("there was a number for the 256th upstream connection")
		}
	}()
	FreeLeg(legs)
}
