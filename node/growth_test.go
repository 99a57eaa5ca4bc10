package node

import (
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	begin := time.Now()
	tests := []struct {
		name     string
		looks    []int // bindings, a minute apart
		after    time.Duration
		bindings int
		want     time.Duration
	}{
		{"no-look", nil, 0, 500, 0},
		{"first-minute", []int{0}, 59 * time.Second, 500, 0},
		{"one-look", []int{0}, time.Minute, 500, time.Minute},
		{"steady-growth", []int{0, 100, 200, 300, 400}, time.Minute, 500, 5 * time.Minute},
		{"old-growth-is-forgotten", []int{0, 400, 400, 400, 400, 400, 400}, time.Minute, 400, 0},
		{"a-burst", []int{100, 100, 100, 100, 100}, time.Minute, 600, 4 * time.Minute},
		{"shrinks", []int{600, 500}, time.Minute, 400, 0},
		{"stands", []int{600, 600}, time.Minute, 600, 0},
		{"full", []int{0, 900}, time.Minute, 1000, 0},
		{"nearly-full", []int{0}, time.Minute, 999, time.Second},
		{"within-a-day", []int{0, 0, 0, 0, 0}, time.Minute, 4, 20*time.Hour + 45*time.Minute},
		{"not-within-a-day", []int{0, 0, 0, 0, 0}, time.Minute, 3, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g growth
			at := begin
			for i, n := range tt.looks {
				at = begin.Add(time.Duration(i) * time.Minute)
				g.add(at, n)
			}
			if got := g.fullIn(at.Add(tt.after), tt.bindings, 1000); got != tt.want {
				t.Errorf("fullIn = %v; want %v", got, tt.want)
			}
		})
	}
}
