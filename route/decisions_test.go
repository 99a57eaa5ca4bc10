package route

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// kept returns the decisions that are kept, newest first.
func (s *site) kept() (all []*Explanation) {
	for k := range s.vip.Decisions.All() {
		all = append(all, k.Explain())
	}
	return all
}

// Decisions of note are all kept, up to the room there is; the oldest go first.
func TestDecisionsOfNoteAreKept(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	const more = 10
	for i := range keptNotable + more {
		s.now++
		s.decide(request(t, fmt.Sprintf("10.0.%d.%d", i/250, i%250), "", ""))
	}
	all := s.kept()
	if len(all) != keptNotable {
		t.Fatalf("%d decisions are kept; want %d", len(all), keptNotable)
	}
	for i, e := range all {
		at := keptNotable + more - 1 - i
		if want := fmt.Sprintf("10.0.%d.%d:1234", at/250, at%250); e.Client != want || e.Why != "fresh" {
			t.Fatalf("decision %d is of %s (%s); want %s", i, e.Client, e.Why, want)
		}
	}
}

// Of routine decisions a bounded sample is kept, and none of them takes the place
// of one of note.
func TestRoutineDecisionsAreSampled(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	r := request(t, "192.0.2.1", "", "")
	for range 3000 { // in 3 seconds
		s.now += int64(time.Millisecond)
		s.decide(r)
	}
	bound, fresh := 0, 0
	last := s.now + 1
	for k := range s.vip.Decisions.All() {
		if k.At >= last {
			t.Fatalf("%d comes behind %d; want the newest first", k.At, last)
		}
		last = k.At
		switch k.Why() {
		case "bound":
			bound++
		case "fresh":
			fresh++
		}
	}
	if fresh != 1 || bound < 140 || bound > 151 {
		t.Errorf("%d fresh and %d bound decisions are kept; want 1, and 50 a second", fresh, bound)
	}
}

// Clients of one address whose users belong elsewhere disagree with each request:
// of these, too, a bounded sample is kept, which takes no place of others.
func TestDisputedDecisionsAreSampled(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.decide(request(t, "192.0.2.1", "a", ""))
	s.decide(request(t, "192.0.2.2", "b", ""))
	s.now++
	r := request(t, "192.0.2.1", "b", "")
	for range 20_000 { // in 20 seconds
		s.now += int64(time.Millisecond)
		s.decide(r)
	}
	kept := make(map[string]int)
	for k := range s.vip.Decisions.All() {
		kept[k.Why()]++
	}
	if kept["fresh"] != 2 || kept["conflict"] != keptDisputed {
		t.Errorf("decisions kept: %v; want both that were fresh, and %d conflicts", kept, keptDisputed)
	}
}

// A decision costs no memory, kept or not; nor does the loop that decides wait
// for who reads.
func TestNoteDoesNotAllocate(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.decide(request(t, "192.0.2.1", "a", ""))
	s.decide(request(t, "192.0.2.2", "b", ""))
	for name, r := range map[string]*Request{"routine": request(t, "192.0.2.1", "a", ""), "conflict": request(t, "192.0.2.1", "b", "")} {
		var d Decision
		n := testing.AllocsPerRun(1000, func() {
			s.now += sampleEvery
			s.profile.Decide(s.now, r, &d)
			s.vip.Note(s.now, netip.AddrPort{}, r, &d)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations; want 0", name, n)
		}
	}
	for i := range s.vip.Decisions.notable.cells {
		s.vip.Decisions.notable.cells[i].mu.Lock() // as one that reads does
	}
	s.decide(request(t, "192.0.2.77", "", "")) // and does not hang
}

// Many decide while others read: what is read is whole.
func TestDecisionsAreReadWhole(t *testing.T) {
	s := newSite(t, "source_hash", 3, nil)
	var deciding, reading sync.WaitGroup
	done := make(chan struct{})
	for g := range 4 {
		deciding.Go(func() {
			for i := range 3000 {
				text := fmt.Sprintf("GET /owa/%s HTTP/1.1\r\nHost: h\r\n\r\n", strings.Repeat(string(rune('a'+g)), 100+i%50))
				r := &Request{Source: netip.AddrFrom4([4]byte{10, byte(g), byte(i >> 8), byte(i)}), Head: request(t, "", "", "").Head}
				if err := r.Head.Parse([]byte(text)); err != nil {
					t.Error(err)
					return
				}
				var d Decision
				s.profile.Decide(s.now, r, &d)
				s.vip.Note(s.now+int64(i), netip.AddrPortFrom(r.Source, 1), r, &d)
			}
		})
	}
	reading.Go(func() {
		for {
			for k := range s.vip.Decisions.All() {
				e := k.Explain()
				who := int(k.Source.As4()[1])
				if name := strings.TrimPrefix(e.Path, "/owa/"); len(name) < 100 || strings.Trim(name, string(rune('a'+who))) != "" || !strings.HasPrefix(e.Client, k.Source.String()) {
					t.Errorf("a decision of %s for %s, path %s", e.Client, k.Source, e.Path)
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	deciding.Wait()
	close(done)
	reading.Wait()
}

// A request's query is not kept, nor more of a path than there is room for.
func TestKeptText(t *testing.T) {
	s := newSite(t, "round_robin", 1, nil)
	r := request(t, "192.0.2.1", "", "")
	if err := r.Head.Parse([]byte("PROPFIND /owa/" + strings.Repeat("x", 1000) + "?secret HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	s.decide(r)
	e := s.newest(t)
	if e.Method != "PROPFIND" || e.Path != "/owa/"+strings.Repeat("x", KeptText-len("PROPFIND/owa/")) {
		t.Errorf("kept %s %s", e.Method, e.Path)
	}
	s.decide(&Request{Source: netip.MustParseAddr("192.0.2.2")}) // a relayed connection
	if e := s.newest(t); e.Method != "" || e.Path != "" || e.Steps[1].Found != persistence.Empty.String() {
		t.Errorf("a connection is kept as %+v; want no method and path", e)
	}
}

// A decision outlives the reload that takes its profile away.
func TestDecisionOutlivesItsProfile(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.decide(request(t, "192.0.2.1", "", ""))
	s.set(0, balance.Down)
	s.profile = nil
	if e := s.newest(t); e.Server != "cas1" || e.Servers[0].State != "up" || e.Profile != "owa" {
		t.Errorf("explained as %+v; want the states of its time", e)
	}
}

func BenchmarkNote(b *testing.B) {
	s := newSite(b, "round_robin", 3, nil)
	bound, other := request(b, "192.0.2.1", "a", ""), request(b, "192.0.2.2", "b", "")
	s.decide(bound)
	s.decide(other)
	for name, r := range map[string]*Request{"routine": bound, "conflict": request(b, "192.0.2.1", "b", "")} {
		b.Run("kind="+name, func(b *testing.B) {
			var d Decision
			s.profile.Decide(s.now, r, &d)
			b.ReportAllocs()
			for b.Loop() {
				s.vip.Note(s.now, netip.AddrPort{}, r, &d)
			}
		})
	}
}
