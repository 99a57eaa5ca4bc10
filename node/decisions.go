package node

import (
	"iter"
	"net/netip"
	"strings"

	"casbah/route"
)

// DecisionFilter selects decisions that are kept. A zero field selects all.
type DecisionFilter struct {
	VIP, Profile, Server string
	From                 netip.Prefix // of the client
	Why                  string       // a word of the access record; "rebound" stands for all that begin so
	N                    int          // at most so many, the newest
}

// Decisions explains the newest decisions that were kept, newest first. It holds
// up no request.
func (n *Node) Decisions(f DecisionFilter) iter.Seq[*Explanation] {
	return func(yield func(*Explanation) bool) {
		left := f.N
		for k := range n.live.decisions.All() {
			if !f.selects(k) {
				continue
			}
			if !yield(k.Explain()) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func (f *DecisionFilter) selects(k *route.Kept) bool {
	return (f.VIP == "" || f.VIP == k.VIP()) &&
		(f.Profile == "" || f.Profile == k.Profile()) &&
		(f.Server == "" || f.Server == k.Server()) &&
		(f.Why == "" || f.Why == k.Why() || strings.HasPrefix(k.Why(), f.Why+"_")) &&
		(!f.From.IsValid() || k.From(f.From))
}
