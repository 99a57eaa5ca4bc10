package page

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// grid is the servers of a pool by its profiles. Pools with the same servers and
// no profile in common share one.
type grid struct {
	Pools   []*Pool
	Columns []column
	Rows    []row
}

// column is a profile of one of the grid's pools.
type column struct{ Pool, Profile string }

// row is one server.
type row struct {
	*Server
	Address string // in all pools of the grid
	Cells   []cell
}

// cell is one service, or nothing where the server does not have the profile.
type cell struct {
	*Service
	ID           string // of its card; of the names, so that one that is open stays that service's
	Pool, Server string
	State        State
	Under        string // the small line under the state
	Hint         string // all in one line
}

// gridsOf arranges the services of v.
func gridsOf(v *View) []grid {
	var gs []grid
	for i := range v.Pools {
		p := &v.Pools[i]
		at := slices.IndexFunc(gs, func(g grid) bool { return g.takes(p) })
		if at < 0 {
			at, gs = len(gs), append(gs, grid{})
		}
		gs[at].Pools = append(gs[at].Pools, p)
		for _, name := range profilesOf(p) {
			gs[at].Columns = append(gs[at].Columns, column{p.Name, name})
		}
	}
	for i := range gs {
		gs[i].fill(v.Now)
	}
	return gs
}

// takes reports whether p reads well in g.
func (g *grid) takes(p *Pool) bool {
	same := slices.EqualFunc(g.Pools[0].Servers, p.Servers, func(a, b Server) bool { return a.Name == b.Name })
	own := profilesOf(p)
	return same && !slices.ContainsFunc(g.Columns, func(c column) bool { return slices.Contains(own, c.Profile) })
}

// profilesOf names the profiles of a pool, each once.
func profilesOf(p *Pool) []string {
	var names []string
	for i := range p.Servers {
		for j := range p.Servers[i].Services {
			if name := p.Servers[i].Services[j].Profile; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// fill makes the rows.
func (g *grid) fill(now time.Time) {
	for i := range g.Pools[0].Servers {
		r := row{Server: &g.Pools[0].Servers[i]}
		var addresses []string
		for _, p := range g.Pools {
			if a := p.Servers[i].Address; !slices.Contains(addresses, a) {
				addresses = append(addresses, a)
			}
		}
		r.Address = strings.Join(addresses, ", ")
		for _, c := range g.Columns {
			k := slices.IndexFunc(g.Pools, func(p *Pool) bool { return p.Name == c.Pool })
			r.Cells = append(r.Cells, cellOf(&g.Pools[k].Servers[i], c, now))
		}
		g.Rows = append(g.Rows, r)
	}
}

// Size is how much room the grid wants beside others.
func (g grid) Size() string {
	switch n := len(g.Columns); {
	case n <= 2:
		return "narrow"
	case n <= 4:
		return "half"
	default:
		return "full"
	}
}

func cellOf(s *Server, at column, now time.Time) cell {
	i := slices.IndexFunc(s.Services, func(sv Service) bool { return sv.Profile == at.Profile })
	if i < 0 {
		return cell{}
	}
	sv := &s.Services[i]
	c := cell{Service: sv, ID: strings.Join([]string{"card", at.Pool, at.Profile, s.Name}, "/"), Pool: at.Pool, Server: s.Name, State: sv.State.known()}
	switch {
	case c.State == Up:
		c.Under = count(sv.Active) + " · " + brief(sv.ProbeTime)
	case sv.Order != nil && sv.Order.Until.After(now):
		c.Under = span(sv.Order.Until.Sub(now)) + " left · " + count(sv.Active)
	case !sv.Since.IsZero():
		c.Under = span(now.Sub(sv.Since))
	default:
		c.Under = "no answer yet"
	}
	c.Hint = fmt.Sprintf("%s on %s: %s, %s open, probe %s", at.Profile, s.Name, c.State, count(sv.Active), brief(sv.ProbeTime))
	if sv.ProbeError != "" {
		c.Hint += ": " + sv.ProbeError
	}
	return c
}

// card is what opens when a cell is pressed.
type card struct {
	cell
	Now        time.Time
	Changeable bool
}
