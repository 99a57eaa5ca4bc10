package persistence

import (
	"fmt"
	"testing"
	"time"

	"casbah/balance"

	"pgregory.net/rapid"
)

// TestRequestNeverMovesALiveBinding lets clients with any keys send requests, to
// any server that the algorithm may choose, while servers go and come back. A
// binding to a server that is usable stays where it is until it runs out, or
// until a server sets or deletes the cookie.
func TestRequestNeverMovesALiveBinding(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, []Step{
			{By: SourceIP},
			{By: Cookie, Name: "UserContext"},
			{By: Header, Name: "Authorization"},
			{By: Cookie, Name: "OutlookSession", Origin: FromClient},
		}, func(c *Config) {
			c.Strict, c.Fallback = rapid.Bool().Draw(rt, "strict"), rapid.Bool().Draw(rt, "fallback")
			c.Timeout = 10 * time.Minute
			c.Crowds, c.SharedAfter = new(Crowds), rapid.SampledFrom([]int{0, 2, 8}).Draw(rt, "shared_after")
		})
		for range rapid.IntRange(1, 60).Draw(rt, "requests") {
			s.pass(time.Duration(rapid.IntRange(0, 300).Draw(rt, "seconds")) * time.Second)
			if id := balance.ServerID(rapid.IntRange(0, 5).Draw(rt, "turn")); id >= cas1 && id <= cas3 {
				s.gone[id] = !s.gone[id]
			}
			s.choose = drawUsable(rt, s)
			a := answer{status: rapid.SampledFrom([]string{"200", "401"}).Draw(rt, "status")}
			set := rapid.IntRange(0, 9).Draw(rt, "set")
			if set < 2 {
				a.set = []string{fmt.Sprintf("UserContext=%d", set)}
			}
			before := bindings(s)
			v := s.send(drawClient(rt), a)
			if v.server != 0 && v.walk.Server != 0 && s.Standing(v.server) == Gone {
				rt.Fatalf("a client is sent to server %d, which is gone", v.server)
			}
			moved := 0
			after := bindings(s)
			for k, id := range before {
				now, ok := after[k]
				if ok && now == id || s.Standing(id) == Gone {
					continue
				}
				moved++
				if !ok || now != v.server || len(a.set) == 0 || moved > 1 {
					rt.Fatalf("a live binding to server %d is to %d after a request to %d", id, now, v.server)
				}
			}
		}
	})
}

// bindings returns all that are alive.
func bindings(s *site) map[Key]balance.ServerID {
	m := map[Key]balance.ServerID{}
	s.chain.table.Range(s.now, func(b Binding) bool {
		m[b.Key] = b.Server
		return true
	})
	return m
}

// drawUsable draws a server for the algorithm to choose; one comes back if all
// are gone.
func drawUsable(t *rapid.T, s *site) balance.ServerID {
	first := rapid.IntRange(0, 2).Draw(t, "choose")
	for i := range 3 {
		if id := members[(first+i)%3].ID; !s.gone[id] {
			return id
		}
	}
	s.gone[cas1] = false
	return cas1
}

func drawClient(t *rapid.T) client {
	c := client{addr: fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 3).Draw(t, "address"))}
	if n := rapid.IntRange(0, 2).Draw(t, "context"); n < 2 {
		c.cookie = fmt.Sprintf("UserContext=%d", n)
	}
	if n := rapid.IntRange(0, 2).Draw(t, "outlook"); n < 2 {
		if c.cookie != "" {
			c.cookie += "; "
		}
		c.cookie += fmt.Sprintf("OutlookSession=%d", n)
	}
	if n := rapid.IntRange(0, 2).Draw(t, "user"); n < 2 {
		c.header = basic(fmt.Sprintf("user%d", n), "x")
	}
	return c
}
