package page

import (
	"fmt"
	"slices"
	"time"
)

// Order is what an operator has told a service to do.
type Order struct {
	Firm     bool // bound clients are moved, too
	Since    time.Time
	Until    time.Time     // when it goes into maintenance; zero: it does not by itself
	Wait     time.Duration // that open requests are given then
	Who, Why string
}

// standing is one order as it stands, for the services that share it.
type standing struct {
	Pool, Server string
	Profiles     []string
	State        State
	Open         int64 // on these services
	Bound        int   // to the server, by any profile
	Order        *Order
	Ready        string // address of the order that ends it; empty: the card of each service has one
}

// standings gathers the orders of v: one line for the profiles of a server that
// have the same.
func standings(v *View) []standing {
	var all []standing
	for i := range v.Pools {
		p := &v.Pools[i]
		for j := range p.Servers {
			s := &p.Servers[j]
			first := len(all)
			for k := range s.Services {
				sv := &s.Services[k]
				if sv.Order == nil {
					continue
				}
				at := slices.IndexFunc(all[first:], func(o standing) bool { return o.State == sv.State.known() && *o.Order == *sv.Order })
				if at < 0 {
					all = append(all, standing{Pool: p.Name, Server: s.Name, State: sv.State.known(), Bound: s.Bindings, Order: sv.Order})
					at = len(all) - 1 - first
				}
				o := &all[first+at]
				o.Profiles = append(o.Profiles, sv.Profile)
				o.Open += sv.Active
			}
			others := slices.ContainsFunc(all[first:], func(o standing) bool { return *o.Order != *all[first].Order })
			for k := first; k < len(all); k++ {
				all[k].end(s, others)
			}
		}
	}
	return all
}

// end finds the order that has the services of o serve again. Where others of the
// server have another order, several have none in common that would not end that, too.
func (o *standing) end(s *Server, others bool) {
	a := Ask{Do: "ready", Pool: o.Pool, Server: o.Server}
	switch {
	case len(o.Profiles) == 1 && len(s.Services) > 1:
		a.Profile = o.Profiles[0]
	case others:
		return
	}
	o.Ready = a.Address()
}

// What names the services.
func (o *standing) What(v *View) string {
	for i := range v.Pools {
		for j := range v.Pools[i].Servers {
			s := &v.Pools[i].Servers[j]
			if v.Pools[i].Name == o.Pool && s.Name == o.Server && len(s.Services) == len(o.Profiles) && len(o.Profiles) > 1 {
				return fmt.Sprintf("all %d protocols", len(o.Profiles))
			}
		}
	}
	return enumerate(o.Profiles)
}

// Line is what becomes of it.
func (o *Order) Line(st State, now time.Time) string {
	switch {
	case o.Until.After(now): // it may be down meanwhile
		return fmt.Sprintf("maintenance in %s, at %s", span(o.Until.Sub(now)), clock(now, o.Until))
	case st == Drain:
		return "no end is set"
	case st == Maintenance && o.Since.Add(o.Wait).After(now):
		return "what is open is closed in " + span(o.Since.Add(o.Wait).Sub(now))
	default:
		return "until it is ordered ready"
	}
}
