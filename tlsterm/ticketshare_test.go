package tlsterm

import (
	"crypto/tls"
	"slices"
	"testing"
	"time"
)

// sharedKeys returns the keys of nodes that share a file: the first turns them.
func sharedKeys(t *testing.T, n int) []*TicketKeys {
	t.Helper()
	all := make([]*TicketKeys, n)
	for i := range all {
		all[i] = NewTicketKeys(noon)
		all[i].Share()
	}
	follow(t, all, noon)
	return all
}

// follow has all nodes but the first read what the first has written.
func follow(t *testing.T, all []*TicketKeys, now time.Time) {
	t.Helper()
	text, err := all[0].MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all[1:] {
		if err := k.Restore(text, now); err != nil {
			t.Fatal(err)
		}
	}
}

// opens reports whether k opens what other seals now.
func (k *TicketKeys) opens(other *TicketKeys) bool {
	return slices.ContainsFunc(k.keys, func(key ticketKey) bool { return key.key == other.seals })
}

// A session that begins on one node goes on at another with its identity, before
// and after the key is turned, and although the other hears late of that.
func TestSessionGoesOnAtAnotherNode(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, client *tls.Config) {
		keys := sharedKeys(t, 2)
		servers := make([]*tls.Config, 2)
		for i, k := range keys {
			servers[i] = k.outer(ServerConfig(certs, Policy{}))
		}
		first, resumed := identify(t, servers[0], client)
		if resumed || first.IsZero() {
			t.Fatalf("the first session is %x, resumed %v", first, resumed)
		}
		visit := func(when string) {
			t.Helper()
			for _, at := range []int{1, 0, 1} {
				if id, resumed := identify(t, servers[at], client); id != first || !resumed {
					t.Errorf("%s, at node %d: %x, resumed %v; want %x on a resumed session", when, at, id, resumed, first)
				}
			}
		}
		visit("at first")
		now := noon.Add(ticketTurn - ticketLead)
		if keys[1].Advance(now); !keys[0].Turn(now) {
			t.Fatal("no key is made ahead of its time")
		}
		visit("when one has a key that the other has not heard of")
		follow(t, keys, now.Add(ticketLead-time.Second))
		now = now.Add(ticketLead)
		before := keys[0].seals
		if keys[0].Turn(now); keys[0].seals == before {
			t.Fatal("the new key does not seal in its time")
		}
		visit("when one seals with the new key, and the other with the old one")
		keys[1].Advance(now)
		if keys[0].seals != keys[1].seals {
			t.Error("the nodes seal with different keys")
		}
		visit("when both seal with the new one")
	})
}

// Through days of turning, no node refuses the tickets of another, be the file read
// nearly an hour late and the clocks minutes apart; and old keys go.
func TestSharedKeysOverlap(t *testing.T) {
	for _, tt := range []struct {
		name        string
		late, ahead time.Duration
	}{
		{"at-once", 0, 0},
		{"late", 55 * time.Minute, 0},
		{"clock-ahead", 30 * time.Minute, 10 * time.Minute},
		{"clock-behind", 30 * time.Minute, -10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys := sharedKeys(t, 3)
			type written struct {
				at   time.Time
				text []byte
			}
			var file []written
			for now := noon; now.Before(noon.Add(100 * time.Hour)); now = now.Add(5 * time.Minute) {
				if keys[0].Turn(now) {
					text, _ := keys[0].MarshalText()
					file = append(file, written{now, text})
				}
				for len(file) > 0 && now.Sub(file[0].at) >= tt.late {
					for _, k := range keys[1:] {
						if err := k.Restore(file[0].text, now.Add(tt.ahead)); err != nil {
							t.Fatal(err)
						}
					}
					file = file[1:]
				}
				for _, k := range keys[1:] {
					if age := k.Advance(now.Add(tt.ahead)); age > ticketTurn+ticketLead+10*time.Minute {
						t.Fatalf("after %v a key has sealed for %v", now.Sub(noon), age)
					}
				}
				for i, k := range keys {
					for j, other := range keys {
						if !k.opens(other) {
							t.Fatalf("after %v node %d refuses the tickets of node %d", now.Sub(noon), i, j)
						}
					}
				}
			}
			if n := len(keys[2].keys); n < 3 || n > 6 {
				t.Errorf("%d keys; want those of a day and a half", n)
			}
		})
	}
}
