package persistence

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// counting is a rule that makes crowds of what comes near to eight clients.
func counting() *sharing {
	s := newSharing(&Config{Scope: "test", Timeout: time.Hour, SharedAfter: 8})
	return &s
}

func testAddr(n int) *crowdAddr {
	return &crowdAddr{key: spread(uint32(n)), scope: 1, prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)}
}

// The estimate is right within 10 % and two clients, up to the most that can be
// asked for, in nearly all draws of who they are: it is linear counting.
func TestEstimateIsNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const runs = 60
	for _, n := range []int{1, 2, 4, 6, 8, 12, 20, 50, 100, 300, 1000, 2500, 5000} {
		far, sum := 0, 0
		for run := range runs {
			got := estimateOf(n, testAddr(run), rng)
			sum += got
			if off := got - n; max(off, -off) > n/10+2 {
				far++
			}
		}
		if mean := float64(sum) / runs; far > runs/20 || mean < float64(n)*0.95-0.5 || mean > float64(n)*1.05+0.5 {
			t.Errorf("%d clients are counted as %.1f on average, and far off in %d of %d runs", n, mean, far, runs)
		}
	}
}

// estimateOf has n clients at random come twice from a, and returns how many are
// counted: the first ones are known exactly only when they were seen as a crowd.
func estimateOf(n int, a *crowdAddr, rng *rand.Rand) int {
	crowds, rule := new(Crowds), counting()
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = rng.Uint64()
	}
	for range 2 {
		for _, id := range ids {
			crowds.see(sec0, a, id, rule)
		}
	}
	return crowds.carries(sec0, rule.span, a.key, 0)
}

// While an address carries as many as make it shared, it is counted right to one.
func TestSmallCountsAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for run := range 500 {
		crowds, rule, a := new(Crowds), counting(), testAddr(run)
		var ids []uint64
		for n := 1; n <= 8; n++ {
			ids = append(ids, rng.Uint64())
			for _, id := range ids { // all are in use
				crowds.see(sec0, a, id, rule)
			}
			if got := crowds.carries(sec0, rule.span, a.key, 0); got < n-1 || got > n+1 {
				wrong++
			}
		}
	}
	if wrong > 500*8/100 {
		t.Errorf("%d of 4000 counts are wrong by more than one; want at most 1 %%", wrong)
	}
}

// Counts fade: after two generations nobody is left of those who are not seen.
func TestCountFades(t *testing.T) {
	for _, n := range []int{2, 100} {
		crowds, rule, a := new(Crowds), counting(), testAddr(1)
		for id := range n {
			crowds.see(sec0, a, spread(uint32(id)), rule)
		}
		sec := sec0 + rule.span
		crowds.see(sec, a, spread(0), rule)
		if got := crowds.carries(sec, rule.span, a.key, 0); got < n*9/10 {
			t.Errorf("after one generation %d of %d are left", got, n)
		}
		sec += rule.span
		crowds.see(sec, a, spread(0), rule)
		if got := crowds.carries(sec, rule.span, a.key, 0); got != 1 {
			t.Errorf("after two generations %d of %d are left; want 1", got, n)
		}
		if got := crowds.carries(sec+2*rule.span, rule.span, a.key, 0); got != 0 {
			t.Errorf("after four generations %d of %d are left; want 0", got, n)
		}
		crowds.see(sec-1000, a, spread(0), rule) // the clock was set back
		if got := crowds.carries(sec-1000, rule.span, a.key, 0); got != 1 {
			t.Errorf("after the clock was set back %d are left; want 1", got)
		}
	}
}

// Addresses do not run into each other, and memory is bounded.
func TestManyAddresses(t *testing.T) {
	crowds, rule := new(Crowds), counting()
	const addresses = 100_000
	for n := range addresses {
		crowds.see(sec0, testAddr(n), spread(uint32(n)), rule)
	}
	lost, more := 0, 0
	for n := range addresses {
		switch crowds.carries(sec0, rule.span, testAddr(n).key, 0) {
		case 1:
		case 0:
			lost++
		default:
			more++
		}
	}
	if lost > addresses/25 || more > 2 {
		t.Errorf("of %d addresses with one client %d are lost and %d have more; want few and none", addresses, lost, more)
	}
	if per := float64(crowds.octets()) / addresses; per > 56 {
		t.Errorf("an address takes %.0f octets; want at most 56", per)
	}
	for n := range 1_500_000 {
		crowds.see(sec0+uint32(n/1000), testAddr(n), uint64(n), rule)
	}
	if got, most := crowds.octets(), tallyShards*mostTallies*tallyOctets; got > most {
		t.Errorf("tallies take %d octets; want at most %d", got, most)
	}
}

// octets returns the memory of the tallies.
func (s *Crowds) octets() int {
	n := 0
	for i := range s.few {
		n += cap(s.few[i].all) * tallyOctets
	}
	return n
}

// More crowds than there is room for: those that carry most stay.
func TestCrowdsMakeRoom(t *testing.T) {
	crowds, rule := new(Crowds), counting()
	for n := range 3 * MostCrowds {
		clients := 8
		if n%30 == 0 {
			clients = 100
		}
		for id := range clients {
			crowds.see(sec0, testAddr(n), spread(uint32(n*1000+id)), rule)
		}
	}
	kept, big := 0, 0
	crowds.each(func(c *crowd) {
		kept++
		if c.at(sec0) > 80 {
			big++
		}
	})
	if kept > MostCrowds || big < 3*MostCrowds/30*9/10 || crowds.Displaced() == 0 {
		t.Errorf("%d crowds, %d of them big, %d displaced; want at most %d, and almost all big ones", kept, big, crowds.Displaced(), MostCrowds)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	s := newSite(t, []Step{{By: SourceIP}, {By: Header, Name: "Authorization"}, {By: InsertCookie}}, sharedAfter(8))
	for name, users := range map[string]int{"few": 3, "shared": 200} {
		t.Run(name, func(t *testing.T) {
			s.inTurn(users)
			reqs := make([]*Request, users)
			for n := range reqs {
				reqs[n] = user(n).request(t)
			}
			resp, lines, i := answer{}.response(t), make([]byte, 0, 1024), 0
			var w Walk
			allocs := testing.AllocsPerRun(1000, func() {
				i++
				s.pass(time.Second)
				s.chain.Walk(s.now, reqs[i%users], s, &w)
				s.chain.Bind(s.now, &w, cas1)
				lines = s.chain.Learn(s.now, &w, cas1, resp, lines[:0])
				s.chain.Touch(s.now, &w)
			})
			if allocs != 0 {
				t.Errorf("%v allocations per request; want 0", allocs)
			}
		})
	}
}

func TestCrowdSizes(t *testing.T) {
	if got := unsafe.Sizeof(tally{}); got != tallyOctets {
		t.Errorf("a tally has %d octets; want %d", got, tallyOctets)
	}
	if got := unsafe.Sizeof(crowd{}); got > 624 {
		t.Errorf("a crowd has %d octets; want at most 624", got)
	}
}

// Many write at once, to the same addresses and to those that take their room.
func TestCrowdsConcurrently(t *testing.T) {
	s := newSite(t, easSteps, sharedAfter(8))
	requests := make([][]*Request, 4) // by address
	for a := range requests {
		for n := range 60 {
			c := client{addr: fmt.Sprintf("203.0.113.%d", a), header: basic(fmt.Sprint("u", n), "x")}
			requests[a] = append(requests[a], c.request(t))
		}
	}
	resp, rule := answer{}.response(t), counting()
	var work sync.WaitGroup
	for g := range 6 {
		work.Go(func() {
			var w Walk
			rng := rand.New(rand.NewPCG(3, uint64(g)))
			for i := range 3000 {
				now := s.now + int64(i)*int64(2*time.Second)
				s.chain.Walk(now, requests[rng.IntN(4)][rng.IntN(60)], s, &w)
				id := w.Server
				if id == 0 {
					id = members[rng.IntN(3)].ID
				}
				s.chain.Bind(now, &w, id)
				s.chain.Learn(now, &w, id, resp, nil)
				s.chain.Touch(now, &w)
				s.chain.sharing.crowds.see(seconds(now), testAddr(rng.IntN(50_000)), rng.Uint64(), rule)
			}
		})
	}
	work.Go(func() {
		for i := range 200 {
			if n := len(s.chain.Shared(s.now + int64(i)*int64(30*time.Second))); n > 4 {
				t.Errorf("%d shared addresses; want at most 4", n)
			}
		}
	})
	work.Wait()
	all := s.chain.Shared(s.now + int64(6000*time.Second))
	if len(all) != 4 {
		t.Fatalf("shared: %+v; want four addresses", all)
	}
	for _, a := range all {
		if a.Clients < 54 || a.Clients > 66 {
			t.Errorf("%s carries %d clients; want 60 within 10 %%", a.Address, a.Clients)
		}
	}
}
