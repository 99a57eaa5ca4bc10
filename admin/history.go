package admin

import (
	"sync"
	"time"

	"casbah/health/page"
	"casbah/node"
)

const (
	every   = 2 * time.Second  // between two samples, and two frames of the live page
	average = 10 * time.Second // what the rates shown are the mean of
	samples = 91               // three minutes
)

// history holds what the counters were, for rates. The zero value is ready.
type history struct {
	mu   sync.Mutex // guards the field below
	past []sample   // oldest first
}

// sample is the counters at one time.
type sample struct {
	at    time.Time
	total counters
	vips  map[string]counters
}

// counters are what rates are made of.
type counters struct{ requests, in, out uint64 }

// add keeps what the counters are in st.
func (h *history) add(st *node.Status) {
	s := sample{at: st.Now, vips: make(map[string]counters, len(st.VIPs))}
	for i := range st.VIPs {
		v := &st.VIPs[i]
		s.vips[v.Name] = counters{v.Requests, v.In, v.Out}
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

// total returns the rates over all VIPs.
func (h *history) total() page.Traffic {
	return h.traffic(func(s *sample) counters { return s.total })
}

// vip returns the rates of one VIP.
func (h *history) vip(name string) page.Traffic {
	return h.traffic(func(s *sample) counters { return s.vips[name] })
}

// traffic returns the rates of the counters that pick chooses; none before the
// second sample.
func (h *history) traffic(pick func(*sample) counters) page.Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	var t page.Traffic
	last := len(h.past) - 1
	if last < 1 {
		return t
	}
	for i := 1; i <= last; i++ {
		was, is := &h.past[i-1], &h.past[i]
		t.History = append(t.History, perSecond(pick(was).requests, pick(is).requests, is.at.Sub(was.at)))
	}
	first := last - 1
	for first > 0 && h.past[last].at.Sub(h.past[first-1].at) <= average {
		first--
	}
	d := h.past[last].at.Sub(h.past[first].at)
	was, is := pick(&h.past[first]), pick(&h.past[last])
	t.Requests = perSecond(was.requests, is.requests, d)
	t.In = perSecond(was.in, is.in, d)
	t.Out = perSecond(was.out, is.out, d)
	return t
}

// perSecond is 0 where a counter began anew, as that of a VIP that a reload
// took out and another brought back.
func perSecond(was, is uint64, d time.Duration) float64 {
	if is <= was || d <= 0 {
		return 0
	}
	return float64(is-was) / d.Seconds()
}
