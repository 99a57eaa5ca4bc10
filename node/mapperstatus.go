package node

import (
	"cmp"
	"time"

	"casbah/route"
)

// MapperStatus says what becomes of the answers of endpoint mappers.
type MapperStatus struct {
	Mode           string        // pass or rewrite; of pass, nothing is counted
	Gives          []GivenStatus // what clients are told
	Answers, Given uint64        // of the servers' mappers, and of those with a port of casbah's
	Left           map[string]uint64
}

// GivenStatus is what clients are told that call a mapper at one address.
type GivenStatus struct {
	Listen, Interface, VIP string
	Port                   int
}

// LearnedStatus is what a server's own endpoint mapper says of an interface.
type LearnedStatus struct {
	Profile, Interface string
	Port               int       // 0: none is known
	Since              time.Time // it is so; zero: it was never known
	Error              string    // of the last question; empty: it was answered
}

// mapperStatus tells of v; nil where it is no mapper.
func mapperStatus(v *builtVIP) *MapperStatus {
	if !v.conf.Maps() {
		return nil
	}
	c := &v.route.Counters.Mapper
	s := &MapperStatus{Mode: v.conf.Mapper, Answers: c.Answers.Load(), Given: c.Given.Load(), Left: make(map[string]uint64)}
	for i := range c.Left {
		s.Left[route.LeftCause(i).String()] = c.Left[i].Load()
	}
	for _, g := range v.given {
		s.Gives = append(s.Gives, GivenStatus{g.listen.String(), g.iface, g.vip, int(g.port)})
	}
	return s
}

// learnedStatus tells of m; nothing of nil.
func learnedStatus(m *mapping) []LearnedStatus {
	if m == nil {
		return nil
	}
	var all []LearnedStatus
	known := m.known.Load()
	for i := range m.lessons {
		for _, name := range m.lessons[i].interfaces {
			p := known.port(len(all))
			s := LearnedStatus{Profile: m.lessons[i].profile, Interface: name, Port: int(p.port), Since: p.since}
			if known != nil && known.err != nil {
				s.Error = cmp.Or(known.err.Error(), "no answer")
			}
			all = append(all, s)
		}
	}
	return all
}
