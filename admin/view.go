package admin

import (
	"maps"
	"slices"

	"casbah/health/page"
	"casbah/node"
)

// view returns what the page shows now.
func (h *Handler) view() *page.View {
	st := h.source.Status()
	return h.viewOf(&st)
}

func (h *Handler) viewOf(st *node.Status) *page.View {
	v := &page.View{
		Version: st.Version, Config: st.ConfigPath, ReloadError: st.ReloadError, Ready: st.Ready, Stopping: st.Stopping,
		Now: st.Now, Started: st.Started, Loaded: st.Loaded, Conns: st.Connections, ConnLimit: st.ConnectionLimit, Panics: st.Panics,
		Traffic: h.past.total(), Table: tableView(&st.Table), Shared: sharedView(st.Shared),
	}
	for i := range st.VIPs {
		v.VIPs = append(v.VIPs, h.vipView(&st.VIPs[i]))
	}
	for i := range st.Pools {
		v.Pools = append(v.Pools, poolView(&st.Pools[i]))
	}
	for i := range st.Protection.Advice {
		a := &st.Protection.Advice[i]
		v.Advice = append(v.Advice, page.Advice{Weight: a.Weight.String(), VIP: a.VIP, Profiles: a.Profiles, Text: a.Text})
	}
	for _, e := range st.Events {
		v.Events = append(v.Events, page.Event(e))
	}
	return v
}

func tableView(t *node.TableStatus) page.Table {
	return page.Table{
		Bindings: t.Bindings, Capacity: t.Capacity, Unconfirmed: t.Unconfirmed, Evictions: t.Evictions, Refusals: t.Refusals,
		Oldest: t.Oldest, FullIn: t.FullIn, Bytes: t.Bytes,
		Saved: t.File.Saved, SaveError: t.File.SaveError, RestoreError: t.File.RestoreError,
	}
}

func (h *Handler) vipView(v *node.VIPStatus) page.VIP {
	return page.VIP{
		Name: v.Name, Type: v.Type, Pool: v.Pool, Listen: v.Listen, Profiles: v.Profiles, Up: v.Up, Conns: v.Conns,
		Accepted: v.Accepted, Requests: v.Requests, Traffic: h.past.vip(v.Name), Answers: sorted(v.Status),
		Refused: sorted(v.Refused), Ends: sorted(v.Ends), Pins: v.Pins, Unlogged: v.Unlogged, Dropped: v.Dropped,
		Evictions: v.Evictions, Refusals: v.Refusals, Clashes: v.ClashesSet + v.ClashesBrought, Storeless: v.Cookieless,
		Certificates: certificateViews(v.Certificates), Splits: splitsOf(v.RPC), Routes: routeViews(v.Routes),
	}
}

func routeViews(all []node.RouteStatus) []page.Route {
	out := make([]page.Route, 0, len(all))
	for i := range all {
		out = append(out, page.Route{Hosts: all[i].Hosts, Pool: all[i].Pool})
	}
	return out
}

// splitsOf returns how many connections of RPC over HTTP were split.
func splitsOf(r *node.RPCStatus) (n uint64) {
	if r == nil {
		return 0
	}
	for _, by := range r.Splits {
		n += by
	}
	return n
}

func poolView(p *node.PoolStatus) page.Pool {
	pool := page.Pool{Name: p.Name, Algorithm: p.Algorithm, UpstreamTLS: p.UpstreamTLS, PanicBelow: p.PanicBelow, Panic: p.Panic}
	for i := range p.Servers {
		s := &p.Servers[i]
		server := page.Server{
			Name: s.Name, Address: s.Address, Weight: s.Weight, Active: s.Active, Requests: s.Requests, Bindings: s.Bindings,
		}
		for j := range s.Services {
			server.Services = append(server.Services, serviceView(&s.Services[j]))
		}
		pool.Servers = append(pool.Servers, server)
	}
	return pool
}

func serviceView(s *node.ServiceStatus) page.Service {
	return page.Service{
		Profile: s.Profile, State: page.State(s.State), Since: s.Since, LastProbe: s.LastProbe, Probe: s.Probe, ProbeTime: s.ProbeTime,
		ProbeError: s.ProbeError, Active: s.Active, Requests: s.Requests, Failures: s.Failures, Latency: s.Latency,
	}
}

// sorted lists what happened at all, by name, so that figures keep their place.
func sorted(m map[string]uint64) []page.Count {
	var cs []page.Count
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] > 0 {
			cs = append(cs, page.Count{Name: name, N: m[name]})
		}
	}
	return cs
}
