package node

import (
	"crypto/tls"
	"fmt"
	"time"

	"casbah/route"
)

// TrafficStatus are the requests of one profile of a VIP on one pool.
type TrafficStatus struct {
	Profile  string // empty: requests that have none
	Pool     string // likewise
	Requests uint64
	Status   map[string]uint64 // as in VIPStatus
	Waits    []uint64          // those with a response, by the time to its first octet: as WaitBounds, and longer
	Waited   time.Duration     // the sum of these times
	Rebinds  map[string]uint64 // clients that got another server, by what became of the one that they had
}

// WaitBounds are the upper bounds of the times in TrafficStatus.
func WaitBounds() []time.Duration { return route.Bounds[:] }

func trafficStatus(c *route.Counters) []TrafficStatus {
	figures := c.Figures()
	out := make([]TrafficStatus, len(figures))
	for i := range figures {
		f := &figures[i]
		out[i] = TrafficStatus{
			Profile: f.Profile, Pool: f.Pool, Requests: f.Requests(), Status: make(map[string]uint64),
			Waits: f.Waits[:], Waited: f.Waited, Rebinds: f.Rebinds,
		}
		for class, n := range f.Status {
			word := "none"
			if class > 0 {
				word = fmt.Sprintf("%dxx", class)
			}
			out[i].Status[word] = n
		}
	}
	return out
}

// HandshakeStatus are the handshakes of TLS with clients, of one version.
type HandshakeStatus struct {
	Version       string // such as "TLS 1.3"
	Full, Resumed uint64
}

func handshakeStatus(h *route.Handshakes) []HandshakeStatus {
	out := make([]HandshakeStatus, 0, len(route.TLSVersions))
	for i, v := range route.TLSVersions {
		out = append(out, HandshakeStatus{Version: tls.VersionName(v), Full: h.Full[i].Load(), Resumed: h.Resumed[i].Load()})
	}
	return out
}

// countHandshakes has conf count those that come to an agreement.
func countHandshakes(conf *tls.Config, h *route.Handshakes) {
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(cs tls.ConnectionState) error {
		if verify != nil {
			if err := verify(cs); err != nil {
				return err
			}
		}
		h.Count(cs.Version, cs.DidResume)
		return nil
	}
}
