package admin

import (
	"net/http"
	"time"

	"casbah/health/page"
	"casbah/node"
)

// SharedAddresses is the answer of /api/v1/shared.
type SharedAddresses struct {
	Shared    []SharedAddress `json:"shared"`    // those that carry most clients first
	Displaced uint64          `json:"displaced"` // addresses, since start, that others which carry more left no room for
}

// SharedAddress is an address that many clients share.
type SharedAddress struct {
	Address     string    `json:"address"`
	Scope       string    `json:"scope"`
	Profiles    []string  `json:"profiles"`
	Clients     int       `json:"clients"` // an estimate
	Since       time.Time `json:"since"`
	By          string    `json:"by"` // counted, shared_networks
	Balanceable bool      `json:"balanceable"`
}

func (h *Handler) shared(w http.ResponseWriter, _ *http.Request) {
	st := h.source.Status()
	out := SharedAddresses{Shared: make([]SharedAddress, 0, len(st.Shared)), Displaced: st.SharedDisplaced}
	for i := range st.Shared {
		a := SharedAddress(st.Shared[i])
		a.Profiles, a.Since = list(a.Profiles), a.Since.UTC()
		out.Shared = append(out.Shared, a)
	}
	writeJSON(w, http.StatusOK, out)
}

func sharedView(all []node.SharedStatus) []page.Shared {
	var out []page.Shared
	for i := range all {
		out = append(out, page.Shared(all[i]))
	}
	return out
}

func sharedOf(all []node.SharedStatus) Shared {
	s := Shared{All: len(all)}
	for i := range all {
		if !all[i].Balanceable {
			s.NotBalanceable++
		}
	}
	return s
}
