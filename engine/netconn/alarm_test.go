package netconn

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// TestWake ticks at the deadline that was set last, at the exact time, and no
// more often.
func TestWake(t *testing.T) {
	second := int64(time.Second)
	tests := []struct {
		name  string
		wakes [][]int64 // seconds from the start: at the first octets, at the next a second later, ...
		want  string    // seconds of the ticks
	}{
		{"once", [][]int64{{5}}, "[5]"},
		{"later", [][]int64{{5}, {7}, {9}}, "[9]"},
		{"sooner", [][]int64{{50}, {7}}, "[7]"},
		{"same-turn", [][]int64{{5, 3, 8}}, "[8]"},
		{"cancelled", [][]int64{{5}, {0}}, "[]"},
		{"set-again", [][]int64{{5}, {0}, {6}}, "[6]"},
		{"past", [][]int64{{-3}}, "[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().UnixNano()
				var ticks []int64
				turn := 0
				core := &enginetest.Toy{
					OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
						for _, at := range tt.wakes[turn] {
							if at != 0 {
								at = start + at*second
							}
							d.Wake(at)
						}
						turn++
						return len(p)
					},
					OnTick: func(now int64, why engine.Cause, _ engine.Driver) {
						if why != engine.Deadline {
							t.Errorf("Tick(%v); want Deadline", why)
						}
						ticks = append(ticks, (now-start)/second)
					},
				}
				a, b := net.Pipe()
				e := New(engine.Config{})
				e.ServeConn(b, &engine.Listener{New: enginetest.Fixed(core)})
				for range tt.wakes {
					enginetest.Send(t, a, "x")
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := fmt.Sprint(ticks); got != tt.want {
					t.Errorf("ticks = %v; want %v", got, tt.want)
				}
				_ = a.Close()
				finish(t, e)
			})
		})
	}
}

// TestAlarmIsLazy arms the timer no more often than the deadline passes,
// whatever moves it away.
func TestAlarmIsLazy(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		clock := engine.WallClock()
		var mu sync.Mutex // as that of a connection
		var a alarm
		fired := 0
		fire := func() {
			mu.Lock()
			defer mu.Unlock()
			fired++
			if !a.fired(clock()) {
				a.arm(clock(), nil)
			}
		}
		count := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if fired != want {
				t.Errorf("the timer fired %d times at %v; want %d", fired, time.Duration(clock()), want)
			}
		}
		for range 1000 {
			mu.Lock()
			a.wake = clock() + int64(10*time.Second)
			a.arm(clock(), fire)
			mu.Unlock()
			time.Sleep(9 * time.Millisecond)
		}
		count(0, 0)
		count(time.Second, 1)    // the first deadline
		count(10*time.Second, 2) // the last
		count(time.Minute, 2)
		a.stop()
	})
}
