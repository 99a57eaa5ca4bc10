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
		Now: st.Now, Started: st.Started, Loaded: st.Loaded, Conns: st.Connections, ConnLimit: st.ConnectionLimit, Panics: st.Panics, Foreign: foreignIn(st.VIPs),
		Changeable: h.options.Token != "", Checked: st.Protection.Checked, Decided: h.decisionViews(),
		Traffic: h.past.total(), Table: tableView(&st.Table), Shared: sharedView(st.Shared),
	}
	v.ConnHistory, v.BindingHistory = h.past.levels()
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
		Certificates: certificateViews(v.Certificates), Outlook: outlookView(v.RPC), Protocols: h.protocolViews(v), Routes: routeViews(v.Routes),
	}
}

func routeViews(all []node.RouteStatus) []page.Route {
	out := make([]page.Route, 0, len(all))
	for i := range all {
		out = append(out, page.Route{Hosts: all[i].Hosts, Pool: all[i].Pool})
	}
	return out
}

func outlookView(r *node.RPCStatus) *page.Outlook {
	if r == nil {
		return nil
	}
	return &page.Outlook{Conns: r.Connections, Channels: r.Channels, Unread: r.Unread, Late: r.Late, Splits: sorted(r.Splits)}
}

// protocolViews tell of each profile of v, how it fares and how it keeps clients.
func (h *Handler) protocolViews(v *node.VIPStatus) []page.Protocol {
	out := make([]page.Protocol, 0, len(v.Persistence))
	for i := range v.Persistence {
		s := &v.Persistence[i]
		p := page.Protocol{Name: s.Profile, Measured: v.Type == "http" || v.Type == "https", Kept: s.Chain, Timeout: s.Timeout}
		if o := s.Override; o != nil {
			p.Override = &page.Override{Minutes: o.Minutes, Since: o.Since, Who: o.Who, Why: o.Why}
		}
		if in := s.Inserted; in != nil {
			p.Inserted = &page.Inserted{Name: in.Name, Version: in.Version, Timeout: in.Timeout}
		}
		p.Traffic = h.past.protocol(v.Name, s.Profile)
		answers, rebinds := make(map[string]uint64), make(map[string]uint64)
		for j := range v.Traffic { // one of each pool
			if t := &v.Traffic[j]; t.Profile == s.Profile {
				p.Requests += t.Requests
				addCounts(answers, t.Status)
				addCounts(rebinds, t.Rebinds)
			}
		}
		p.Answers, p.Rebinds = sorted(answers), sorted(rebinds)
		out = append(out, p)
	}
	return out
}

// maxDecided is how many decisions the page is given.
const maxDecided = 16

func (h *Handler) decisionViews() []page.Decision {
	var out []page.Decision
	for e := range h.source.Decisions(node.DecisionFilter{N: maxDecided}) {
		d := page.Decision{At: e.At, VIP: e.VIP, Profile: e.Profile, Client: e.Client, Server: e.Server, Why: e.Why, Text: e.Text}
		for i := range e.Steps {
			d.Steps = append(d.Steps, page.Step{Name: e.Steps[i].Step, Found: e.Steps[i].Found, Server: e.Steps[i].Server})
		}
		out = append(out, d)
	}
	return out
}

func poolView(p *node.PoolStatus) page.Pool {
	pool := page.Pool{Name: p.Name, Algorithm: p.Algorithm, UpstreamTLS: p.UpstreamTLS, PanicBelow: p.PanicBelow, Placement: placementView(p.Placement), Panic: p.Panic, BackedUp: p.BackedUp}
	for i := range p.Servers {
		s := &p.Servers[i]
		server := page.Server{
			Name: s.Name, Address: s.Address, Weight: s.Weight, Active: s.Active, Requests: s.Requests, Bindings: s.Bindings,
			Backup: s.Backup, Limit: s.Places.Limit, Waiting: s.Places.Waiting,
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
		Profile: s.Profile, State: page.State(s.State), Since: s.Since, LastProbe: s.LastProbe, Probe: asked(s), ProbeTime: s.ProbeTime,
		ProbeError: trouble(s), Active: s.Active, Requests: s.Requests, Failures: s.Failures, Latency: s.Latency,
		Order: orderView(s.Order),
	}
}

func orderView(o *node.Order) *page.Order {
	if o == nil {
		return nil
	}
	return &page.Order{Firm: o.Firm, Since: o.Since, Until: o.Until, Wait: o.Wait, Who: o.Who, Why: o.Why}
}

// addCounts adds the counts of more to those of to.
func addCounts(to, more map[string]uint64) {
	for name, n := range more {
		to[name] += n
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
