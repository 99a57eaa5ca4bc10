package balance

import (
	"fmt"
	"testing"
)

// pool returns candidates cas1, cas2, ... with those weights, all idle and up.
func pool(weights ...int) []Candidate {
	cs := make([]Candidate, len(weights))
	for i, w := range weights {
		id := ServerID(i + 1)
		cs[i] = Candidate{
			Service: &Service{Server: &Server{ID: id, Name: fmt.Sprintf("cas%d", id)}, Profile: "owa"},
			Weight:  w,
		}
		cs[i].Service.word.Store(standing{health: Up}.pack())
	}
	return cs
}

// all returns the set of every candidate.
func all(cs []Candidate) Eligible { return 1<<uint(len(cs)) - 1 }

// share counts picks picks by candidate. Each goes to another client.
func share(a Algorithm, cs []Candidate, set Eligible, picks int) []int {
	got := make([]int, len(cs))
	for n := range picks {
		got[a.Pick(cs, set, mix(uint64(n)))]++
	}
	return got
}

// wantShares checks that got is shared like weights, within a part of each share.
func wantShares(t *testing.T, got, weights []int, tolerance float64) {
	t.Helper()
	sum, picks := 0, 0
	for i, w := range weights {
		sum += w
		picks += got[i]
	}
	for i, w := range weights {
		want := float64(picks*w) / float64(sum)
		if off := float64(got[i]) - want; off > want*tolerance || -off > want*tolerance {
			t.Errorf("candidate %d of weights %v got %d of %d picks; want %.0f within %.1f%%", i, weights, got[i], picks, want, 100*tolerance)
		}
	}
}

// each runs f for every algorithm by name.
func each(t *testing.T, f func(t *testing.T, a Algorithm)) {
	t.Helper()
	for _, name := range Algorithms() {
		t.Run(name, func(t *testing.T) {
			a, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			f(t, a)
		})
	}
}
