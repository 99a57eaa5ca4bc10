package admin

import (
	"slices"
	"sync"
	"time"

	"casbah/health/page"
	"casbah/node"
)

const (
	every   = 2 * time.Second  // between two samples, and two frames of the live page
	average = 10 * time.Second // what the rates shown are the mean of
	samples = 91               // three minutes

	patience = time.Minute // what the times of responses shown are those of
)

// history holds what the counters were, for rates. The zero value is ready.
type history struct {
	mu   sync.Mutex // guards the field below
	past []sample   // oldest first
}

// sample is the counters at one time.
type sample struct {
	at              time.Time
	total           counters
	vips            map[string]counters
	protocols       map[protocol]counters
	conns, bindings int
}

// protocol is a profile of a VIP.
type protocol struct{ vip, profile string }

// counters are what rates are made of.
type counters struct {
	requests, in, out uint64
	waits             []uint64 // responses by their time, as node.TrafficStatus has them
}

// add keeps what the counters are in st.
func (h *history) add(st *node.Status) {
	s := sample{
		at: st.Now, vips: make(map[string]counters, len(st.VIPs)), protocols: make(map[protocol]counters),
		conns: st.Connections, bindings: st.Table.Bindings,
	}
	for i := range st.VIPs {
		v := &st.VIPs[i]
		var waits []uint64
		for j := range v.Traffic {
			t := &v.Traffic[j]
			of := protocol{v.Name, t.Profile}
			was := s.protocols[of] // of another pool
			s.protocols[of] = counters{requests: was.requests + t.Requests, waits: sum(was.waits, t.Waits)}
			waits = sum(waits, t.Waits)
		}
		s.vips[v.Name] = counters{v.Requests, v.In, v.Out, waits}
		s.total.requests += v.Requests
		s.total.in += v.In
		s.total.out += v.Out
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.past) == samples {
		h.past = append(h.past[:0], h.past[1:]...)
	}
	h.past = append(h.past, s)
}

// sum adds b to a, which may be nil.
func sum(a, b []uint64) []uint64 {
	if a == nil {
		return slices.Clone(b)
	}
	for i, n := range b {
		a[i] += n
	}
	return a
}

// total returns the traffic of all VIPs together.
func (h *history) total() page.Traffic {
	return h.traffic(func(s *sample) counters { return s.total })
}

// vip returns the traffic of one VIP.
func (h *history) vip(name string) page.Traffic {
	return h.traffic(func(s *sample) counters { return s.vips[name] })
}

// protocol returns the traffic of a profile of a VIP.
func (h *history) protocol(vip, profile string) page.Traffic {
	return h.traffic(func(s *sample) counters { return s.protocols[protocol{vip, profile}] })
}

// levels returns how many connections and bindings there were, oldest first.
func (h *history) levels() (conns, bindings []float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.past {
		conns, bindings = append(conns, float64(h.past[i].conns)), append(bindings, float64(h.past[i].bindings))
	}
	return conns, bindings
}

func (h *history) traffic(pick func(*sample) counters) page.Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	var t page.Traffic
	last := len(h.past) - 1
	if last < 1 {
		return t
	}
	for i := 1; i <= last; i++ {
		was, is := pick(&h.past[i-1]), pick(&h.past[i])
		t.History = append(t.History, perSecond(was.requests, is.requests, h.past[i].at.Sub(h.past[i-1].at)))
		if len(is.waits) > 0 {
			waits := between(pick(&h.past[h.back(i, average)]).waits, is.waits)
			t.Slow = append(t.Slow, quantile(waits, 0.99).Seconds())
		}
	}
	first := h.back(last, average)
	d := h.past[last].at.Sub(h.past[first].at)
	was, is := pick(&h.past[first]), pick(&h.past[last])
	t.Requests = perSecond(was.requests, is.requests, d)
	t.In = perSecond(was.in, is.in, d)
	t.Out = perSecond(was.out, is.out, d)
	waits := between(pick(&h.past[h.back(last, patience)]).waits, is.waits)
	t.Median, t.Most = quantile(waits, 0.5), quantile(waits, 0.99)
	return t
}

// back returns the oldest sample within d before the one at i, or the one before.
func (h *history) back(i int, d time.Duration) int {
	first := i - 1
	for first > 0 && h.past[i].at.Sub(h.past[first-1].at) <= d {
		first--
	}
	return first
}

// between returns what came to the counters; of one that began anew, all.
func between(was, is []uint64) []uint64 {
	out := make([]uint64, len(is))
	for i, n := range is {
		out[i] = n
		if i < len(was) && was[i] <= n {
			out[i] = n - was[i]
		}
	}
	return out
}

// perSecond is 0 where a counter began anew, as that of a VIP that a reload
// took out and another brought back.
func perSecond(was, is uint64, d time.Duration) float64 {
	if is <= was || d <= 0 {
		return 0
	}
	return float64(is-was) / d.Seconds()
}
