package route

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
)

// bell is a Waker that counts.
type bell struct{ rung int }

func (b *bell) Awaken() { b.rung++ }

// limit has each server of s take one request at once, and queue wait for five
// seconds.
func (s *site) limit(queue int) {
	for i := range s.profile.Candidates {
		s.profile.Candidates[i].Service.Server.SetLimit(balance.Limit{Max: 1, Queue: queue, Timeout: 5 * time.Second})
	}
}

// open takes a decision and begins.
func (s *site) open(t *testing.T, r *Request) *Decision {
	t.Helper()
	d := new(Decision)
	s.profile.Decide(s.now, r, d)
	if d.Outcome != Chosen || !d.Commit(s.now) {
		t.Fatalf("outcome %v for %v", d.Outcome, r.Source)
	}
	return d
}

// A full server is not given to clients that nothing binds, and those that it has
// are explained to wait.
func TestFullServerIsPassedOver(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.limit(1)
	alice, bob := request(t, "192.0.2.1", "", ""), request(t, "192.0.2.2", "", "")
	a := s.open(t, alice)
	for range 5 { // the turn of the algorithm does not matter
		d := new(Decision)
		if s.profile.Decide(s.now, bob, d); d.Server() == a.Server() {
			t.Fatal("a client that nothing binds is given a full server")
		}
	}
	e := s.profile.Explain(s.now, alice)
	if e.Server != a.Server() || !strings.Contains(e.Text, "which is full: the client waits for a place there") || e.Status != 0 {
		t.Errorf("explanation of the bound client: %+v", e)
	}
	b := s.open(t, bob)
	e = s.profile.Explain(s.now, request(t, "192.0.2.3", "", ""))
	if e.Server != "" || !strings.Contains(e.Text, "every server of pool cas that takes new clients is full") || !e.Servers[0].Full || e.Status != 0 {
		t.Errorf("explanation with all full: %+v", e)
	}
	a.Release(s.now)
	b.Release(s.now)
	if e = s.profile.Explain(s.now, alice); e.Server != a.Server() || e.Servers[0].Full {
		t.Errorf("explanation with all free: %+v", e)
	}
}

// A client that is bound elsewhere by the time that it gets its place gives it
// back, and nobody is forgotten by that.
func TestPlaceThatIsNotWantedAnyMore(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.limit(5)
	a, b := s.open(t, request(t, "192.0.2.1", "", "")), s.open(t, request(t, "192.0.2.2", "", ""))
	carol := request(t, "192.0.2.3", "", "")
	var first, second, other Decision
	var bells [3]bell
	for i, d := range []*Decision{&first, &second} {
		if s.profile.Decide(s.now, carol, d); d.Outcome != Full || d.Wait(s.now, &bells[i]) != Queued {
			t.Fatalf("outcome %v; want Full, and to wait", d.Outcome)
		}
	}
	a.Release(s.now) // first has a place there
	if bells[0].rung != 1 || first.Look(s.now) != Again {
		t.Fatalf("woken %d times; want 1", bells[0].rung)
	}
	s.profile.Decide(s.now, carol, &first)
	if !first.Commit(s.now) || first.Server() != a.Server() {
		t.Fatalf("on %s; want %s", first.Server(), a.Server())
	}
	b.Release(s.now) // second has one there, and carol is bound to the other server
	if bells[1].rung != 1 || second.Look(s.now) != Again {
		t.Fatalf("woken %d times; want 1", bells[1].rung)
	}
	if s.profile.Decide(s.now, carol, &second); second.Outcome != Full || second.Wait(s.now, &bells[1]) != Queued {
		t.Fatalf("outcome %v; want Full at %s", second.Outcome, first.Server())
	}
	if s.profile.Decide(s.now, request(t, "192.0.2.4", "", ""), &other); other.Outcome != Chosen || other.Server() != b.Server() {
		t.Errorf("the place that was given back is not free: outcome %v", other.Outcome)
	}
	first.Release(s.now)
	if bells[1].rung != 2 || second.Look(s.now) != Again {
		t.Errorf("woken %d times; want 2", bells[1].rung)
	}
	second.Release(s.now) // with the place, and without having begun
	for i := range s.profile.Candidates {
		if srv := s.profile.Candidates[i].Service.Server; srv.Active.Load() != 0 || srv.Waiting() != 0 {
			t.Errorf("%s: %d are open, %d wait", srv.Name, srv.Active.Load(), srv.Waiting())
		}
	}
}

// The time to wait is one for all turns of a request.
func TestTimeToWaitIsOne(t *testing.T) {
	s := newSite(t, "round_robin", 1, nil)
	s.limit(5)
	r := request(t, "192.0.2.1", "", "")
	a := s.open(t, r)
	var d Decision
	s.profile.Decide(s.now, r, &d)
	d.Wait(s.now, new(bell))
	if got := d.Due(); got != s.now+lookEvery {
		t.Errorf("it looks in %v; want %v", time.Duration(got-s.now), time.Duration(lookEvery))
	}
	s.now += int64(3 * time.Second)
	s.set(0, balance.Drain) // keeps it
	if got := d.Look(s.now); got != Queued {
		t.Fatalf("Look() = %v; want Queued", got)
	}
	s.set(0, balance.Down)
	if got := d.Look(s.now); got != Again || d.Waits() {
		t.Fatalf("with its server down Look() = %v; want Again", got)
	}
	s.set(0, balance.Up)
	if s.profile.Decide(s.now, r, &d); d.Outcome != Full || d.Wait(s.now, new(bell)) != Queued {
		t.Fatal("it does not wait again")
	}
	s.now += int64(2*time.Second) - 1
	if got := d.Look(s.now); got != Queued {
		t.Fatalf("before its time Look() = %v; want Queued", got)
	}
	s.now++
	if got := d.Look(s.now); got != QueueLate || d.Waited(s.now) != 5*time.Second {
		t.Errorf("at its time Look() = %v after %v; want QueueLate after 5s", got, d.Waited(s.now))
	}
	if got := s.profile.Candidates[0].Service.Server.Queue.Late.Load(); got != 1 {
		t.Errorf("%d are counted to have come too late; want 1", got)
	}
	d.Release(s.now)
	a.Release(s.now)
}

// A client whose connection carries an identity waits for the server of that,
// whatever else is free.
func TestPinnedClientWaitsForItsServer(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.limit(5)
	a, b := s.open(t, request(t, "192.0.2.1", "", "")), s.open(t, request(t, "192.0.2.2", "", ""))
	var d Decision
	if !s.profile.Stay(s.now, request(t, "192.0.2.2", "", ""), a.Endpoint, false, &d) || d.Outcome != Full {
		t.Fatalf("outcome %v; want Full", d.Outcome)
	}
	if d.Wait(s.now, new(bell)) != Queued {
		t.Fatal("it does not wait")
	}
	b.Release(s.now)
	if got := d.Look(s.now); got != Queued {
		t.Errorf("with another server free Look() = %v; want Queued", got)
	}
	a.Release(s.now)
	if got := d.Look(s.now); got != Again {
		t.Errorf("with its server free Look() = %v; want Again", got)
	}
	if !s.profile.Stay(s.now, request(t, "192.0.2.2", "", ""), a.Endpoint, false, &d) || d.Outcome != Chosen || !d.Commit(s.now) {
		t.Errorf("outcome %v; want Chosen, with its place", d.Outcome)
	}
	d.Release(s.now)
}

// A client whose connection carries an identity waits for its server under the
// orders that let it finish there, too, and no longer than they do.
func TestPinnedClientWaitsWhileItsServerIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind balance.OrderKind
		amid bool
	}{
		{"drain", balance.OrderDrain, false},
		{"firm-drain", balance.OrderFirm, false},
		{"firm-drain-amid-login", balance.OrderFirm, true},
		{"maintenance-amid-login", balance.OrderMaintenance, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "round_robin", 2, nil)
			s.limit(5)
			r := request(t, "192.0.2.1", "", "")
			a := s.open(t, r)
			svc := a.Service()
			svc.SetOrder(time.Unix(0, s.now), balance.Order{Kind: tt.kind, Since: s.now})
			var d Decision
			if !s.profile.Stay(s.now, r, a.Endpoint, tt.amid, &d) || d.Outcome != Full {
				t.Fatalf("outcome %v; want Full", d.Outcome)
			}
			if got := d.Wait(s.now, new(bell)); got != Queued {
				t.Fatalf("Wait() = %v; want Queued: what is decided anew comes here again", got)
			}
			svc.SetHealth(time.Unix(0, s.now), balance.Down)
			left := d.Look(s.now)
			if stays := s.profile.Stay(s.now, r, a.Endpoint, tt.amid, &d); stays != (left == Queued) {
				t.Errorf("with the service down Look() = %v, and Stay() = %v", left, stays)
			}
			d.Release(s.now)
			a.Release(s.now)
		})
	}
}
