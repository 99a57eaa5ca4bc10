package admin

import (
	"time"

	"casbah/node"
)

// Traffic are the requests of one profile on one pool, in Status.
type Traffic struct {
	Profile  string            `json:"profile"` // empty: requests that no path fits
	Pool     string            `json:"pool"`    // likewise
	Requests uint64            `json:"requests"`
	Status   map[string]uint64 `json:"status"`      // by hundreds, as of the VIP
	Median   float64           `json:"p50_seconds"` // of the time to the first octet of a response, since start
	Most     float64           `json:"p99_seconds"`
	Rebinds  map[string]uint64 `json:"rebinds"` // clients that got another server, by what became of theirs
}

// Handshakes are those of TLS with clients, of one version, in Status.
type Handshakes struct {
	Version string `json:"version"`
	Full    uint64 `json:"full"`
	Resumed uint64 `json:"resumed"`
}

func trafficOf(all []node.TrafficStatus) []Traffic {
	out := make([]Traffic, 0, len(all))
	for i := range all {
		t := &all[i]
		out = append(out, Traffic{
			Profile: t.Profile, Pool: t.Pool, Requests: t.Requests, Status: counts(t.Status), Rebinds: counts(t.Rebinds),
			Median: quantile(t.Waits, 0.5).Seconds(), Most: quantile(t.Waits, 0.99).Seconds(),
		})
	}
	return out
}

func handshakesOf(all []node.HandshakeStatus) []Handshakes {
	out := make([]Handshakes, 0, len(all))
	for _, h := range all {
		out = append(out, Handshakes(h))
	}
	return out
}

// quantile estimates the time that the share q of the answers in waits took at
// most: within a bucket they are taken to be spread evenly, and what took longer
// than the last bound, to have taken that. Without answers it is 0.
func quantile(waits []uint64, q float64) time.Duration {
	bounds, all := node.WaitBounds(), uint64(0)
	for _, n := range waits {
		all += n
	}
	rank, below, from := q*float64(all), 0.0, time.Duration(0)
	for i, n := range waits {
		if i == len(bounds) || all == 0 {
			break
		}
		if in := float64(n); below+in >= rank {
			return from + time.Duration(float64(bounds[i]-from)*(rank-below)/in)
		}
		below, from = below+float64(n), bounds[i]
	}
	return from
}
