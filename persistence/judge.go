package persistence

// judge finds the candidate among the readings, and says of each what became of
// it.
func (c *Chain) judge(w *Walk) {
	by, rival := -1, -1 // the first that can serve; the first confirmed identity that can
	why, lost := NoKey, false
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Server == 0 {
			if rd.Use == Unbound && why == NoKey {
				why = Fresh
			}
			continue
		}
		identity := c.steps[rd.Step].identity
		if !c.usable(rd) {
			why = Rebound
			rd.Use = Vanished
			lost = lost || identity && rd.Confirmed && c.isMember(rd)
			continue
		}
		if by < 0 {
			by = i
		}
		if rival < 0 && identity && rd.Confirmed {
			rival = i
		}
	}
	if lost && !c.fallback && (by < 0 || !c.steps[w.Readings[by].Step].identity) && rival < 0 {
		w.Held, w.Why = true, Lost
		return
	}
	if by < 0 {
		w.Why = why
		return
	}
	w.Why = Bound
	if first := &w.Readings[by]; rival >= 0 && !c.steps[first.Step].identity && w.Readings[rival].Server != first.Server {
		// The address carries more than one client.
		w.Why = Strict
		if !c.strict {
			w.Why, by = Conflict, rival
		}
	}
	c.decide(w, by)
}

// decide makes reading by the one that gives the candidate.
func (c *Chain) decide(w *Walk, by int) {
	w.By, w.Server = int(w.Readings[by].Step), w.Readings[by].Server
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		switch {
		case rd.Server == 0 || rd.Use == Vanished:
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
// serves those who are bound to it; this is the place to make an exception for
// an address that names more than one client.
func (c *Chain) usable(rd *Reading) bool { return rd.Standing != Gone }

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
