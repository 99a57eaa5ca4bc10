package page

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// survey is the services of a view, counted in the ways that sentences need.
type survey struct {
	protocols []*tally // pool and profile, in the order of the matrix
	servers   []*host
	count     map[State]int
}

// tally is how one protocol of one pool stands.
type tally struct {
	pool, profile string
	all           int
	in            map[State]int
}

// host is a server with its services, those of all pools.
type host struct {
	name     string
	services []*Service
}

// surveyOf counts v.
func surveyOf(v *View) *survey {
	s := &survey{count: make(map[State]int)}
	for i := range v.Pools {
		for j := range v.Pools[i].Servers {
			s.add(v.Pools[i].Name, &v.Pools[i].Servers[j])
		}
	}
	return s
}

func (s *survey) add(pool string, srv *Server) {
	h := s.host(srv.Name)
	for i := range srv.Services {
		sv := &srv.Services[i]
		h.services = append(h.services, sv)
		s.count[sv.State.known()]++
		t := s.protocol(pool, sv.Profile)
		t.all++
		t.in[sv.State.known()]++
	}
}

func (s *survey) host(name string) *host {
	for _, h := range s.servers {
		if h.name == name {
			return h
		}
	}
	h := &host{name: name}
	s.servers = append(s.servers, h)
	return h
}

func (s *survey) protocol(pool, profile string) *tally {
	for _, t := range s.protocols {
		if t.pool == pool && t.profile == profile {
			return t
		}
	}
	t := &tally{pool: pool, profile: profile, in: make(map[State]int)}
	s.protocols = append(s.protocols, t)
	return t
}

// silent reports whether no probe has answered yet.
func (s *survey) silent() bool {
	return s.count[Up]+s.count[Down]+s.count[Drain]+s.count[Maintenance] == 0
}

// lost names the protocols that no server takes new clients for. One whose
// services are all unknown is served, as nobody knows better.
func (s *survey) lost() []string {
	var names []string
	for _, t := range s.protocols {
		if t.in[Up] > 0 || t.in[Unknown] == t.all {
			continue
		}
		name := t.profile
		if s.ambiguous(t) {
			name += " in pool " + t.pool
		}
		names = append(names, name)
	}
	return names
}

// ambiguous reports whether another pool serves a profile of that name too.
func (s *survey) ambiguous(t *tally) bool {
	return slices.ContainsFunc(s.protocols, func(o *tally) bool { return o.profile == t.profile && o.pool != t.pool })
}

// where says what is in a state, as a clause: "owa is down on cas2".
func (s *survey) where(st State, word string) string {
	var whole, partly, profiles []string
	services := 0
	for _, h := range s.servers {
		in := h.in(st)
		switch {
		case len(in) == 0:
		case len(in) == len(h.services):
			whole = append(whole, h.name)
		default:
			partly = append(partly, h.name)
			services += len(in)
			for _, p := range in {
				if !slices.Contains(profiles, p) {
					profiles = append(profiles, p)
				}
			}
		}
	}
	var clauses []string
	if len(whole) > 0 {
		clauses = append(clauses, enumerate(whole)+isAre(len(whole))+word)
	}
	switch {
	case len(partly) == 0:
	case len(partly) == 1 || len(profiles) == 1:
		clauses = append(clauses, enumerate(profiles)+isAre(len(profiles))+word+" on "+enumerate(partly))
	default:
		clauses = append(clauses, fmt.Sprintf("%s%s%s on %s", plural(services, "service"), isAre(services), word, enumerate(partly)))
	}
	return strings.Join(clauses, ", ")
}

// isAre is the verb for n subjects.
func isAre(n int) string {
	if n == 1 {
		return " is "
	}
	return " are "
}

// in names the profiles of the server that are in a state.
func (h *host) in(st State) []string {
	var names []string
	for _, sv := range h.services {
		if sv.State.known() == st && !slices.Contains(names, sv.Profile) {
			names = append(names, sv.Profile)
		}
	}
	return names
}

// findings is a line for each server and state that is not up.
func (s *survey) findings(now time.Time) []finding {
	var fs []finding
	for _, st := range []State{Down, Maintenance, Drain, Unknown} {
		for _, h := range s.servers {
			if f, ok := h.finding(st, now); ok {
				fs = append(fs, f)
			}
		}
	}
	return fs
}

func (h *host) finding(st State, now time.Time) (finding, bool) {
	profiles := h.in(st)
	if len(profiles) == 0 {
		return finding{}, false
	}
	what := enumerate(profiles)
	if len(profiles) > 1 && len(profiles) == len(h.services) {
		what = fmt.Sprintf("all %d protocols", len(profiles))
	}
	f := finding{Level: note, State: st, Text: fmt.Sprintf("%s: %s %s", h.name, what, phrase(st))}
	if since := h.since(st); !since.IsZero() {
		f.Text += " for " + span(now.Sub(since))
	}
	if st == Down {
		f.Level, f.Detail = bad, h.errors()
	}
	return f, true
}

// phrase is the state as the end of a sentence.
func phrase(st State) string {
	switch st {
	case Maintenance:
		return "in maintenance"
	case Drain:
		return "draining"
	case Unknown:
		return "not probed yet"
	default:
		return string(st)
	}
}

// since returns when the first of the services in a state came into it.
func (h *host) since(st State) time.Time {
	var first time.Time
	for _, sv := range h.services {
		if sv.State.known() == st && !sv.Since.IsZero() && (first.IsZero() || sv.Since.Before(first)) {
			first = sv.Since
		}
	}
	return first
}

// errors is what the probes of the server's down services say, the first one
// in full.
func (h *host) errors() string {
	var all []string
	for _, sv := range h.services {
		if sv.State == Down && sv.ProbeError != "" && !slices.Contains(all, sv.ProbeError) {
			all = append(all, sv.ProbeError)
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	default:
		return fmt.Sprintf("%s (and %s)", all[0], plural(len(all)-1, "other error"))
	}
}
