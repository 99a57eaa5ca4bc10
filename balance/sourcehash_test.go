package balance

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSourceHashIsStable(t *testing.T) {
	cs := pool(1, 2, 3)
	for client := range uint64(100) {
		want := SourceHash{}.Pick(cs, all(cs), client)
		for _, c := range cs {
			c.Service.Active.Add(int64(client))
		}
		if got := (SourceHash{}).Pick(cs, all(cs), client); got != want {
			t.Errorf("client %d moved from %d to %d", client, want, got)
		}
	}
}

// TestSourceHashKnown pins the choice: nodes of a cluster with two releases of
// casbah must agree.
func TestSourceHashKnown(t *testing.T) {
	cs := pool(1, 1, 2, 1)
	var got [16]int
	for client := range got {
		got[client] = SourceHash{}.Pick(cs, all(cs), uint64(client))
	}
	want := [16]int{0, 1, 2, 2, 1, 0, 3, 1, 1, 2, 0, 2, 2, 2, 0, 2}
	if got != want {
		t.Errorf("choices = %v; want %v", got, want)
	}
}

// A server that leaves moves its own clients only; the same holds, read
// backwards, for one that comes.
func TestSourceHashRemovalMovesOnlyItsClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cs := pool(rapid.SliceOfN(rapid.IntRange(1, 200), 2, 16).Draw(t, "weights")...)
		gone := rapid.IntRange(0, len(cs)-1).Draw(t, "gone")
		for _, client := range rapid.SliceOfN(rapid.Uint64(), 50, 50).Draw(t, "clients") {
			before := SourceHash{}.Pick(cs, all(cs), client)
			after := SourceHash{}.Pick(cs, all(cs)&^(1<<uint(gone)), client)
			if before != gone && after != before {
				t.Fatalf("client %d moved from %d to %d when %d left", client, before, after, gone)
			}
			if after == gone {
				t.Fatalf("client %d went to %d, which had left", client, gone)
			}
		}
	})
}

// The order of the servers in the file does not matter, nor do their IDs.
func TestSourceHashGoesByName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cs := pool(rapid.SliceOfN(rapid.IntRange(1, 200), 2, 16).Draw(t, "weights")...)
		shuffled := rapid.Permutation(cs).Draw(t, "order")
		client := rapid.Uint64().Draw(t, "client")
		a := cs[SourceHash{}.Pick(cs, all(cs), client)].Service.Server.Name
		b := shuffled[SourceHash{}.Pick(shuffled, all(shuffled), client)].Service.Server.Name
		if a != b {
			t.Fatalf("client %d goes to %s, and to %s in another order", client, a, b)
		}
	})
}

// Raising a weight draws clients to that server and moves no other.
func TestSourceHashWeightMovesOnlyTowards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 50), 2, 8).Draw(t, "weights")
		cs := pool(weights...)
		i := rapid.IntRange(0, len(cs)-1).Draw(t, "heavier")
		client := rapid.Uint64().Draw(t, "client")
		before := SourceHash{}.Pick(cs, all(cs), client)
		cs[i].Weight += rapid.IntRange(1, 50).Draw(t, "more")
		if after := (SourceHash{}).Pick(cs, all(cs), client); after != before && after != i {
			t.Fatalf("client %d moved from %d to %d when %d became heavier", client, before, after, i)
		}
	})
}
