package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"casbah/node"
)

// EndOfDecisions is the last line of /api/v1/decisions; without it the list is cut.
type EndOfDecisions struct {
	End  bool `json:"end"`
	Rows int  `json:"rows"`
}

// decisions lists the decisions that are kept as JSON lines, newest first. They
// leave as they are read.
func (h *Handler) decisions(w http.ResponseWriter, r *http.Request) {
	f, err := decisionFilterOf(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	buf := bufio.NewWriterSize(w, chunkBytes)
	out := json.NewEncoder(buf)
	end := EndOfDecisions{End: true}
	for e := range h.source.Decisions(f) {
		if out.Encode(e) != nil {
			return // the client is gone
		}
		end.Rows++
	}
	_ = out.Encode(end) // the client is gone if it cannot be written
	_ = buf.Flush()
}

// decisionFilterOf reads what the query asks for. A key that it does not know is
// refused, lest the answer seems to be of what was asked.
func decisionFilterOf(q url.Values) (f node.DecisionFilter, err error) {
	for key, values := range q {
		if len(values) != 1 || values[0] == "" {
			return f, fmt.Errorf("%.100q: want one value", key)
		}
		v := values[0]
		switch key {
		case "vip":
			f.VIP = v
		case "profile":
			f.Profile = v
		case "server":
			f.Server = v
		case "why":
			f.Why = v
		case "from":
			if f.From, err = prefixOf(v); err != nil {
				return f, fmt.Errorf("from: want an address or a network, such as 192.0.2.7 or 192.0.2.0/24, got %q", v)
			}
		case "n":
			if f.N, err = strconv.Atoi(v); err != nil || f.N < 1 {
				return f, fmt.Errorf("n: want a number from 1, got %q", v)
			}
		default:
			return f, fmt.Errorf("%.100q: want one of vip, profile, server, from, why, n", key)
		}
	}
	return f, nil
}

// prefixOf reads a network, or an address that stands for itself.
func prefixOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
