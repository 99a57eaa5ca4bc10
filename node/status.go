package node

import (
	"cmp"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
)

// Status is all that the page and the API show, at one moment.
type Status struct {
	Version              string
	Started, Now, Loaded time.Time
	Ready, Stopping      bool
	ConfigPath           string
	ReloadError          string // why the last reload was refused; empty: it was not
	VIPs                 []VIPStatus
	Pools                []PoolStatus
	Table                TableStatus
	Shared               []SharedStatus // addresses that carry many clients, those with most first
	SharedDisplaced      uint64         // see persistence.Crowds
	Protection           Protection
	Events               []Event // newest first
	Connections          int     // client connections open now, and flows
	ConnectionLimit      int
	Panics               uint64 // connections ended by a fault of casbah's own
	Leaving              []Leaving
	Engine               EngineStatus
}

// EngineStatus is what drives the connections.
type EngineStatus struct {
	Driver     string
	Loops      []int           // client connections open on each event loop; none with the driver "net"
	Lags       []time.Duration // how long each of them let the last measurement wait
	Goroutines int
}

// VIPStatus is one VIP.
type VIPStatus struct {
	Name, Type, Pool string
	Listen           []string
	Profiles         []string
	Routes           []RouteStatus       // names that have another pool
	Persistence      []PersistenceStatus // of each profile
	Cookieless       uint64              // client connections that do not bring the cookie they were given

	HTTP2  *HTTP2Status  // nil: the VIP does not offer it
	RPC    *RPCStatus    // nil: the VIP has no RPC over HTTP
	Shield *ShieldStatus // nil: nobody looks for attacks

	ClashesSet, ClashesBrought uint64 // see route.Clashes
	Up                         bool   // a profile has a service that takes traffic
	Conns                      int64
	Accepted, Requests         uint64
	Status                     map[string]uint64 // by "2xx" and so on; "none" is a request without a response
	In, Out                    uint64            // octets from and to clients
	Refused                    map[string]uint64 // by cause
	Ends                       map[string]uint64 // by the way in which requests ended
	Pins, Unlogged             uint64
	Mapper                     *MapperStatus // of a VIP of the endpoint mapper; nil: it is none
	Dropped                    uint64        // datagrams of flows that could not be passed on
	Injections                 uint64        // see route.Counters
	Identities                 IdentityStatus
	Evictions                  uint64 // live bindings that made room for the VIP's, where the table was full
	Refusals                   uint64 // the VIP's bindings that found no room

	Traffic    []TrafficStatus // of requests without a profile, then of each profile
	Handshakes []HandshakeStatus

	Certificates []CertificateStatus // that it shows; none where it ends no TLS
}

// PoolStatus is one pool.
type PoolStatus struct {
	Name, Algorithm, UpstreamTLS string
	PanicBelow                   int              // percent; 0: off
	Panic                        []string         // profiles with so few services up that all not in maintenance are used
	Placement                    *PlacementStatus // nil: nobody asks where mailboxes are
	BackedUp                     []string         // profiles of which backups take new clients
	Servers                      []ServerStatus
}

// ServerStatus is one server as a member of a pool.
type ServerStatus struct {
	Name, Address string
	Weight        int
	Active        int64
	Requests      uint64
	Bindings      int
	Services      []ServiceStatus
	Learned       []LearnedStatus // its dynamic ports
	Backup        bool            // it takes new clients only while no ordinary server does
	Places        PlacesStatus
}

// ServiceStatus is one profile on one server.
type ServiceStatus struct {
	Profile, State     string
	Since, LastProbe   time.Time
	Probe              string // what is asked
	ProbeError         string // of the last probe; empty: the right answer
	ProbeCause         health.Cause
	ProbeTime          time.Duration
	Probes             health.Tally
	Deep               *DeepStatus // nil: there is no deep probe
	Active             int64
	Requests, Failures uint64
	Latency            time.Duration // moving average of the time to the first response octet
	Order              *Order        // of an operator; nil: none
}

// TableStatus is the persistence table.
type TableStatus struct {
	Bindings, Capacity, Unconfirmed int
	Placements                      int // beside the bindings, what is known of where mailboxes are
	Evictions, Refusals             uint64
	Oldest                          time.Duration // since the binding unused for longest was used
	FullIn                          time.Duration // at the growth of the last minutes; 0: not within a day, or it is full
	Bytes                           int64
	File                            TableFileStatus
}

// Status returns how the node is now. It waits for nobody: not for a reload that
// looks up names, nor for a drain.
func (n *Node) Status() Status {
	now := time.Now()
	snap := n.snap.Load()
	s := Status{
		Version: n.version, Started: n.started, Now: now,
		Ready: n.Ready(), Stopping: n.stopping.Load(),
		ConfigPath:  n.config.Path,
		Protection:  n.adviser.latest(),
		Events:      n.events.newest(),
		Connections: n.engine.Open() + n.flows.Open(), ConnectionLimit: n.config.Limits.Connections,
		Panics:  n.panics.Load(),
		Leaving: n.leaving.open(),
		Engine:  EngineStatus{Driver: n.config.Engine, Loops: n.engine.Loops(), Lags: n.lags(), Goroutines: runtime.NumGoroutine()},
	}
	if r := n.reading.Load(); r != nil {
		s.Loaded = r.taken
		if r.mistake != nil {
			s.ReloadError = r.mistake.Error()
		}
	}
	if snap == nil {
		return s
	}
	table := n.live.table.Stats(now.UnixNano())
	s.Table = n.tableStatus(now, &table)
	s.Shared, s.SharedDisplaced = sharedAddresses(snap, now), n.live.crowds.Displaced()
	for _, v := range snap.vips {
		s.VIPs = append(s.VIPs, n.vipStatus(snap, v))
	}
	for i := range snap.config.Pools {
		s.Pools = append(s.Pools, n.poolStatus(snap, &snap.config.Pools[i], table.ByServer))
	}
	return s
}

func (n *Node) tableStatus(now time.Time, st *persistence.Stats) TableStatus {
	return TableStatus{
		Bindings: st.Bindings, Capacity: st.Capacity, Unconfirmed: st.Unconfirmed, Placements: st.Placements,
		Evictions: st.Evictions, Refusals: st.Refusals, Oldest: st.Oldest, Bytes: st.Bytes,
		FullIn: n.growth.fullIn(now, st.Bindings, st.Capacity), File: n.tableFile.status(),
	}
}

func (n *Node) vipStatus(snap *snapshot, v *builtVIP) VIPStatus {
	c := v.route.Counters
	s := VIPStatus{
		Name: v.conf.Name, Type: v.conf.Type, Pool: v.conf.Pool, Profiles: v.conf.Served(), Routes: routesStatus(v.conf, v.route),
		Up:    vipUp(v.route),
		Conns: c.Conns.Load(), Accepted: c.Accepted.Load(),
		In: c.In.Load(), Out: c.Out.Load(), Pins: c.Pins.Load(), Unlogged: c.Unlogged.Load(), Dropped: c.Dropped.Load(), Injections: c.Injections.Load(),
		Cookieless: c.Cookieless.Load(), ClashesSet: c.Clashes.Set.Load(), ClashesBrought: c.Clashes.Brought.Load(),
		Evictions: c.Table.Evictions.Load(), Refusals: c.Table.Refusals.Load(),
		Status: make(map[string]uint64), Refused: make(map[string]uint64), Ends: make(map[string]uint64),
		Traffic: trafficStatus(c), Handshakes: handshakeStatus(&c.Handshakes),
	}
	s.Identities = identityStatus(c)
	s.Shield, s.HTTP2 = shieldStatus(v.route), http2Status(v.route)
	if servesRPC(v.route) {
		s.RPC = rpcStatus(&c.RPC)
	}
	for _, addr := range n.Addrs(v.conf.Name) {
		s.Listen = append(s.Listen, addr.String())
	}
	for _, p := range v.route.Profiles {
		if !slices.ContainsFunc(s.Persistence, func(o PersistenceStatus) bool { return o.Profile == p.Name }) { // else on another pool
			s.Persistence = append(s.Persistence, persistenceStatus(snap, v, p))
		}
	}
	s.Mapper = mapperStatus(v)
	s.Certificates = n.certificatesOf(v, time.Now())
	for i := range s.Traffic {
		t := &s.Traffic[i]
		s.Requests += t.Requests
		for word, n := range t.Status {
			s.Status[word] += n
		}
	}
	for i := range c.Refused {
		s.Refused[route.Cause(i).String()] = c.Refused[i].Load()
	}
	for i := range c.Ends {
		s.Ends[route.End(i).String()] = c.Ends[i].Load()
	}
	return s
}

// poolStatus tells of the services that the snapshot probes in the pool.
func (n *Node) poolStatus(snap *snapshot, conf *profiles.Pool, bindings map[balance.ServerID]int) PoolStatus {
	s := PoolStatus{
		Name: conf.Name, Algorithm: conf.Algorithm, UpstreamTLS: conf.UpstreamTLS,
		PanicBelow: conf.PanicBelow, Panic: profilesOf(snap, conf.Name, (*route.Profile).Panics), BackedUp: profilesOf(snap, conf.Name, (*route.Profile).BacksUp),
	}
	s.Placement = n.placementStatus(conf)
	for _, name := range conf.Servers {
		i := slices.IndexFunc(snap.config.Servers, func(c profiles.Server) bool { return c.Name == name })
		live := n.live.servers.Get(name)
		server := ServerStatus{
			Name: name, Address: addressOf(snap, conf.Name, &snap.config.Servers[i]), Weight: snap.config.Servers[i].Weight,
			Active: live.Active.Load(), Requests: live.Requests.Load(), Bindings: bindings[live.ID],
			Backup: slices.Contains(conf.Backup, name), Places: placesStatus(live),
		}
		for j := range snap.plans {
			if p := &snap.plans[j]; p.key.pool == conf.Name && p.key.server == name {
				service := serviceStatus(p, snap.monitors[p.key])
				service.Order = n.orders.of(p.key)
				server.Services = append(server.Services, service)
			}
		}
		server.Learned = learnedStatus(snap.mappings[mappingKey{conf.Name, name}])
		s.Servers = append(s.Servers, server)
	}
	return s
}

// addressOf returns where a pool reaches a server: its host, and the port or
// ports in use.
func addressOf(snap *snapshot, pool string, s *profiles.Server) string {
	address := s.Address
	var ports []string
	for _, v := range snap.vips {
		for _, p := range v.route.Profiles {
			if p.Names.Pool != pool {
				continue
			}
			for i := range p.Candidates {
				c := &p.Candidates[i]
				host, port, err := net.SplitHostPort(c.Endpoint.Target)
				if at, ok := c.Endpoint.Addr(); ok && c.Endpoint.Learned {
					port = strconv.Itoa(int(at.Port()))
				}
				if c.Endpoint.Name != s.Name || err != nil || slices.Contains(ports, port) {
					continue
				}
				ports = append(ports, port)
				address = net.JoinHostPort(host, strings.Join(ports, ","))
			}
		}
	}
	return address
}

func serviceStatus(p *plan, monitor *health.Monitor) ServiceStatus {
	s := ServiceStatus{
		Profile: p.key.profile, State: p.service.State().String(), Since: p.service.Since(),
		Probe:  probeText(&p.probe),
		Active: p.service.Active.Load(), Requests: p.service.Requests.Load(), Failures: p.service.Failures.Load(),
		Latency: p.service.Latency(),
	}
	s.Probes, s.Deep = monitor.Tally(), deepStatus(p, monitor)
	if r, ok := monitor.LastResult(); ok {
		s.LastProbe, s.ProbeTime, s.ProbeCause = r.At, r.Took, health.CauseOf(r.Err)
		if r.Err != nil {
			s.ProbeError = cmp.Or(r.Err.Error(), "no answer")
		}
	}
	return s
}

// VIPUp reports whether any profile of the VIP has a service that takes
// traffic; known is false for a name that is no VIP's.
func (n *Node) VIPUp(name string) (up, known bool) {
	snap := n.snap.Load()
	if snap == nil {
		return false, false
	}
	for _, v := range snap.vips {
		if v.conf.Name == name {
			return vipUp(v.route), true
		}
	}
	return false, false
}

// vipUp reports whether any profile of v has a service up. A VIP that serves
// OWA and not EAS is worth keeping: moving it away would stop OWA as well.
func vipUp(v *route.VIP) bool {
	for _, p := range v.Profiles {
		if p.Up() {
			return true
		}
	}
	return false
}
