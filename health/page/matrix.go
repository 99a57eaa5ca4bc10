package page

import (
	"fmt"
	"slices"
	"time"
)

// matrix is the servers by the profiles that any pool has.
type matrix struct {
	Columns []string
	Pools   []poolRows
}

// poolRows is one pool's part of the matrix.
type poolRows struct {
	*Pool
	Rows []row
}

// row is one server's part of the matrix.
type row struct {
	*Server
	Cells []cell
}

// cell is one service, or nothing where the pool does not have the profile.
type cell struct {
	*Service
	ID     string // of its card
	Server string
	State  State
	Under  string // the small line under the state
	Hint   string // all in one line
}

// matrixOf arranges the services of v.
func matrixOf(v *View) matrix {
	m := matrix{Columns: columns(v)}
	for i := range v.Pools {
		p := poolRows{Pool: &v.Pools[i]}
		for j := range p.Servers {
			r := row{Server: &p.Servers[j]}
			for k, name := range m.Columns {
				r.Cells = append(r.Cells, cellOf(r.Server, name, fmt.Sprintf("c%d-%d-%d", i, j, k), v.Now))
			}
			p.Rows = append(p.Rows, r)
		}
		m.Pools = append(m.Pools, p)
	}
	return m
}

// columns names the profiles of all pools, each once.
func columns(v *View) []string {
	var names []string
	for i := range v.Pools {
		for j := range v.Pools[i].Servers {
			for k := range v.Pools[i].Servers[j].Services {
				if name := v.Pools[i].Servers[j].Services[k].Profile; !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func cellOf(s *Server, profile, id string, now time.Time) cell {
	i := slices.IndexFunc(s.Services, func(sv Service) bool { return sv.Profile == profile })
	if i < 0 {
		return cell{}
	}
	sv := &s.Services[i]
	c := cell{Service: sv, ID: id, Server: s.Name, State: sv.State.known()}
	switch {
	case c.State == Up:
		c.Under = count(sv.Active) + " · " + brief(sv.ProbeTime)
	case !sv.Since.IsZero():
		c.Under = span(now.Sub(sv.Since))
	default:
		c.Under = "no answer yet"
	}
	c.Hint = fmt.Sprintf("%s on %s: %s, %s open, probe %s", profile, s.Name, c.State, count(sv.Active), brief(sv.ProbeTime))
	if sv.ProbeError != "" {
		c.Hint += ": " + sv.ProbeError
	}
	return c
}

// card is what opens when a cell is pressed.
type card struct {
	cell
	Now time.Time
}
