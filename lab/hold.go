package lab

import "time"

// hold is a long poll: an answer that waits for mail.
type hold struct {
	limit    time.Duration // after that the wait is over
	interval time.Duration // between calls of tick; unused without it
	since    int           // messages that the client knows of

	// tick, if not nil, is called at each interval or Beat and mail for each news with
	// the messages there are now. False ends the wait.
	tick func() bool
	mail func(total int) bool
}

// hold waits for mail to the visitor. It returns at the limit, when a function
// says so, or when the client leaves.
func (v *visit) hold(h hold) {
	end := time.NewTimer(min(h.limit, v.cas.array.options.Hold))
	defer end.Stop()
	var ticks <-chan time.Time
	if h.tick != nil {
		ticker := time.NewTicker(h.interval)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		total, news := v.cas.array.mail.watch(v.user)
		if total > h.since {
			h.since = total
			if !h.mail(total) {
				return
			}
			continue
		}
		beat, beaten := v.cas.array.beats.watch()
		if beat > v.beat {
			v.beat++
			if h.tick != nil && !h.tick() {
				return
			}
			continue
		}
		select {
		case <-beaten:
		case <-news:
		case <-ticks:
			if !h.tick() {
				return
			}
		case <-end.C:
			return
		case <-v.r.Context().Done():
			return
		}
	}
}

// mailNow returns how many messages the visitor has.
func (v *visit) mailNow() int {
	total, _ := v.cas.array.mail.watch(v.user)
	return total
}
