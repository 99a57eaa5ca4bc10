package balance

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bell is a Waker that counts.
type bell struct{ rung atomic.Int64 }

func (b *bell) Awaken() { b.rung.Add(1) }

// limited returns candidates whose servers take max requests each and let queue wait.
func limited(n, most, queue int) []Candidate {
	cs := pool(make([]int, n)...)
	for i := range cs {
		cs[i].Service.Server.SetLimit(Limit{Max: most, Queue: queue, Timeout: time.Second})
	}
	return cs
}

// TestFullServerTakesNoMore: a server takes as many as its limit says, and is not
// full any more when one has ended.
func TestFullServerTakesNoMore(t *testing.T) {
	s := limited(1, 2, 0)[0].Service
	for i, want := range []bool{true, true, false} {
		if full := s.Server.Full(); full == want {
			t.Errorf("Full() before request %d = %v", i+1, full)
		}
		if got := s.Begin(); got != want {
			t.Errorf("Begin() of request %d = %v; want %v", i+1, got, want)
		}
	}
	if got := s.Requests.Load(); got != 2 {
		t.Errorf("%d requests are counted; want 2", got)
	}
	s.Finish()
	if s.Server.Full() || !s.Begin() {
		t.Error("the place that was given back is not free")
	}
}

// TestNoLimitIsNone: a server without a limit is never full.
func TestNoLimitIsNone(t *testing.T) {
	s := pool(1)[0].Service
	for range 1000 {
		if !s.Begin() || s.Server.Full() {
			t.Fatal("a server without a limit is full")
		}
	}
}

// TestFirstComeFirstServed: places go to those that wait in their order, and to
// nobody who comes later.
func TestFirstComeFirstServed(t *testing.T) {
	cs := limited(1, 1, 3)
	s := cs[0].Service
	s.Begin()
	var ws [4]Waiter
	var bells [4]bell
	for i := range ws {
		if got, want := ws[i].Start(cs, 1, &bells[i]), i < 3; got != want {
			t.Fatalf("Start() of client %d = %v; want %v", i+1, got, want)
		}
	}
	if got := s.Server.Waiting(); got != 3 {
		t.Fatalf("%d wait; want 3", got)
	}
	if ws[1].Stop() != nil {
		t.Fatal("who left the queue has a place")
	}
	for _, i := range []int{0, 2} {
		s.Finish()
		if s.Begin() {
			t.Fatal("who came later went before those that wait")
		}
		if bells[i].rung.Load() != 1 || !ws[i].Look() || ws[i].Stop() != s.Server || !s.BeginAt(s.Server) {
			t.Fatalf("client %d is not the next; it was woken %d times", i+1, bells[i].rung.Load())
		}
	}
	if got := bells[1].rung.Load(); got != 0 {
		t.Errorf("who left the queue was woken %d times", got)
	}
	s.Finish()
	if s.Server.Active.Load() != 0 || s.Server.Waiting() != 0 || !s.Begin() {
		t.Errorf("in the end %d are open and %d wait", s.Server.Active.Load(), s.Server.Waiting())
	}
}

// TestWaiterTakesOnePlace: who waits for any of several servers gets a place at
// one, and stands nowhere any more.
func TestWaiterTakesOnePlace(t *testing.T) {
	cs := limited(3, 1, 1)
	for i := range cs {
		cs[i].Service.Begin()
	}
	var w, late Waiter
	var b bell
	if !w.Start(cs, 7, &b) || late.Start(cs, 7, &b) {
		t.Fatal("the queue of one place each does not hold one client")
	}
	cs[2].Service.Finish()
	cs[0].Service.Finish()
	if got := w.Stop(); got != cs[2].Service.Server {
		t.Fatalf("Stop() = %v; want the server that was free first", got)
	}
	if got := b.rung.Load(); got != 1 {
		t.Errorf("woken %d times; want 1", got)
	}
	if cs[0].Service.Server.Full() || cs[0].Service.Server.Active.Load() != 0 || cs[1].Service.Server.Waiting() != 0 {
		t.Error("it stands in a queue still, or holds a second place")
	}
	w.Stop()
}

// TestRaisedLimitIsFound: who waits finds by looking that there is more room, or
// no limit.
func TestRaisedLimitIsFound(t *testing.T) {
	for _, most := range []int{2, 0} {
		cs := limited(1, 1, 5)
		s := cs[0].Service.Server
		cs[0].Service.Begin()
		var w Waiter
		if !w.Start(cs, 1, new(bell)) || w.Look() {
			t.Fatal("the server is not full")
		}
		s.SetLimit(Limit{Max: most, Queue: 5})
		if most > 0 && cs[0].Service.Begin() {
			t.Error("who came later has the place that somebody waits for")
		}
		if !w.Look() || w.Stop() != s || s.Active.Load() != 2 {
			t.Errorf("limit %d was not found; %d are open", most, s.Active.Load())
		}
	}
}

// TestNobodyIsForgotten: many clients fight for servers of one to three places,
// waiting for one or for any, losing patience now and then. No server ever has
// more than it takes, and nobody waits while a place is free: each is woken, and
// not by time.
func TestNobodyIsForgotten(t *testing.T) {
	const clients, rounds = 48, 300
	cs := limited(3, 0, clients)
	for i := range cs {
		cs[i].Service.Server.SetLimit(Limit{Max: i + 1, Queue: clients})
	}
	var open [3]atomic.Int64
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			var w Waiter
			random := rand.New(rand.NewPCG(uint64(c), 1))
			woken := make(ring, 1)
			for range rounds {
				set := Eligible(1 + random.Uint64N(7))
				if !w.Start(cs, set, woken) {
					t.Error("no room in a queue for all")
					return
				}
				impatient := random.IntN(5) == 0
				for !impatient && w.given.Load() == nil { // without looking: that would wake others
					<-woken // for ever, if it is forgotten
				}
				at := w.Stop()
				if at == nil {
					continue
				}
				i := int(at.ID) - 1
				if n := open[i].Add(1); n > int64(i+1) || !set.Has(i) {
					t.Errorf("server %d of %b has %d", i+1, set, n)
				}
				if random.IntN(3) == 0 {
					time.Sleep(time.Microsecond)
				}
				open[i].Add(-1)
				if random.IntN(2) == 0 {
					at.Return()
				} else {
					cs[i].Service.BeginAt(at)
					cs[i].Service.Finish()
				}
			}
		})
	}
	all.Wait()
	for i := range cs {
		if s := cs[i].Service.Server; s.Active.Load() != 0 || s.Waiting() != 0 || s.first != nil || s.last != nil {
			t.Errorf("server %d: in the end %d are open and %d wait", i+1, s.Active.Load(), s.Waiting())
		}
	}
}

// TestTheLastWakesTheNext: two clients take turns at one place, with nobody beside
// them who would make up for a wake-up that is lost.
func TestTheLastWakesTheNext(t *testing.T) {
	cs := limited(1, 1, 2)
	s := cs[0].Service
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			var w Waiter
			woken := make(ring, 1)
			for range 200_000 {
				if !s.Begin() {
					if !w.Start(cs, 1, woken) {
						t.Error("no room in the queue")
						return
					}
					for w.given.Load() == nil {
						<-woken
					}
					s.BeginAt(w.Stop())
				}
				s.Finish()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		both.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%d are open, %d wait, and nobody is woken", s.Server.Active.Load(), s.Server.Waiting())
	}
}

// ring is a Waker of a goroutine.
type ring chan struct{}

func (r ring) Awaken() {
	select {
	case r <- struct{}{}:
	default:
	}
}
