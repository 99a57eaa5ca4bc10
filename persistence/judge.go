package persistence

// findings are what the readings of a walk say, taken together.
type findings struct {
	by    int  // the first that can serve; -1: none can
	rival int  // the first confirmed identity that can serve; -1: none can
	why   Why  // what to say if none can serve
	lost  bool // a confirmed identity is bound to a server of the pool that cannot serve
	moved bool // a confirmed identity is bound to a server that cannot serve, in the pool or not
	aside bool // an address is set aside
}

// judge finds the candidate among the readings, and says of each what became of
// it.
func (c *Chain) judge(w *Walk) {
	f := c.weigh(w)
	switch {
	case f.lost && !c.fallback && f.rival < 0 && !c.identifies(w, f.by):
		w.Held, w.Why = true, Lost
		return
	case f.by < 0:
		w.Why = f.why
		if f.aside && f.why != Rebound {
			w.Why = Spread
		}
		return
	case f.moved && f.rival < 0 && !c.identifies(w, f.by): // an address leads the client to another server
		w.Why = Rebound
	case f.rival < 0 || c.identifies(w, f.by) || w.Readings[f.rival].Server == w.Readings[f.by].Server:
		w.Why = Bound
	case c.strict: // here and below, the address carries more than one client
		w.Why = Strict
	default:
		w.Why, f.by = Conflict, f.rival
	}
	c.decide(w, f.by)
}

// weigh finds which readings can serve. One that cannot has vanished.
func (c *Chain) weigh(w *Walk) findings {
	f := findings{by: -1, rival: -1, why: NoKey}
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Use == Shared {
			f.aside = true
			continue
		}
		if rd.Server == 0 {
			if rd.Use == Unbound && f.why == NoKey {
				f.why = Fresh
			}
			continue
		}
		confirmed := rd.Confirmed && c.identifies(w, i)
		if !c.usable(rd) {
			f.why = Rebound
			rd.Use = Vanished
			f.moved = f.moved || confirmed
			f.lost = f.lost || confirmed && c.isMember(rd)
			continue
		}
		if f.by < 0 {
			f.by = i
		}
		if f.rival < 0 && confirmed {
			f.rival = i
		}
	}
	return f
}

// identifies reports whether reading i comes of a step that tells who the client
// is; of no reading, -1, it says no.
func (c *Chain) identifies(w *Walk, i int) bool {
	return i >= 0 && c.steps[w.Readings[i].Step].identity
}

// decide makes reading by the one that gives the candidate.
func (c *Chain) decide(w *Walk, by int) {
	w.By, w.Server = int(w.Readings[by].Step), w.Readings[by].Server
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		switch {
		case rd.Server == 0 || rd.Use == Vanished || rd.Use == Shared:
		case i == by:
			rd.Use = Decided
		case rd.Server == w.Server:
			rd.Use = Agreed
		default:
			rd.Use = Overruled
		}
	}
}

// usable reports whether the bound server of rd may serve. A draining server
// serves those who are bound to it. An address that carries more than one client
// is not: it would bring new ones.
func (c *Chain) usable(rd *Reading) bool {
	return rd.Standing == Usable || rd.Standing == Draining && rd.Crowd == Alone
}

// isMember reports whether the bound server of rd is in the pool. One that was
// taken out of it holds nobody back: it is not expected to return.
func (c *Chain) isMember(rd *Reading) bool {
	for i := range c.members {
		if c.members[i].ID == rd.Server {
			return true
		}
	}
	return false
}
