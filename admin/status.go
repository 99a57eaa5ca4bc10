package admin

import (
	"time"

	"casbah/node"
)

// Status is the answer of /api/v1/status. Names do not change; new ones may
// come. Times are RFC 3339 and left out where the thing never happened, times
// taken are in seconds, sizes in octets, and counters run since start.
type Status struct {
	Version         string     `json:"version"`
	Started         time.Time  `json:"started"`
	Now             time.Time  `json:"now"`
	Ready           bool       `json:"ready"`
	Stopping        bool       `json:"stopping"`
	ConfigPath      string     `json:"config_path"`
	Loaded          time.Time  `json:"loaded,omitzero"`        // when the configuration in force was taken
	ReloadError     string     `json:"reload_error,omitempty"` // why the last reload was refused
	Connections     int        `json:"connections"`            // of clients, open now
	ConnectionLimit int        `json:"connection_limit"`       // 0: none
	VIPs            []VIP      `json:"vips"`
	Pools           []Pool     `json:"pools"`
	Table           Table      `json:"table"`
	Shared          Shared     `json:"shared_addresses"`
	Protection      Protection `json:"extended_protection"`
	Events          []Event    `json:"events"` // newest first
	Panics          uint64     `json:"panics"` // connections ended by a fault of casbah's own
	Leaving         []Leaving  `json:"leaving"`
	Engine          Engine     `json:"engine"`
}

// Leaving is a VIP that takes no connections any more, in Status.
type Leaving struct {
	VIP         string `json:"vip"`
	Connections int    `json:"connections"` // still open
}

// Engine is what drives the connections, in Status.
type Engine struct {
	Driver     string `json:"driver"`
	Loops      []Loop `json:"loops"` // none with the driver "net"
	Goroutines int    `json:"goroutines"`
}

// Loop is an event loop, in Status.
type Loop struct {
	Connections int     `json:"connections"` // of clients, open now
	Lag         float64 `json:"lag_seconds"` // how long it let wait what came to it, when that was last measured
}

// VIP is a virtual service in Status.
type VIP struct {
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Pool        string            `json:"pool"`
	Listen      []string          `json:"listen"`
	Profiles    []string          `json:"profiles"`
	Routes      []Route           `json:"routes,omitempty"` // names that have another pool
	Persistence []Persistence     `json:"persistence"`      // of each profile
	Up          bool              `json:"up"`
	Connections int64             `json:"connections"` // open now
	Accepted    uint64            `json:"accepted"`    // connections
	Requests    uint64            `json:"requests"`
	Status      map[string]uint64 `json:"status"` // by hundreds: "2xx"
	In          uint64            `json:"in_octets"`
	Out         uint64            `json:"out_octets"`
	Refused     map[string]uint64 `json:"refused"` // by cause
	Ends        map[string]uint64 `json:"ends"`    // by how requests ended
	Pins        uint64            `json:"pins"`
	Identity    Identity          `json:"identity"`
	Unlogged    uint64            `json:"unlogged"` // access records dropped
	Dropped     uint64            `json:"dropped"`  // datagrams of flows that could not be passed on
	Injections  uint64            `json:"injections"`
	Evictions   uint64            `json:"evictions"` // live bindings that made room for its own in a full table
	Refusals    uint64            `json:"refusals"`  // bindings of its own that found no room
	Mapper      *Mapper           `json:"mapper,omitempty"`
	Clashes     Clashes           `json:"cookie_clashes"`
	HTTP2       *HTTP2            `json:"http2,omitempty"`  // of a VIP that offers it
	RPC         *RPC              `json:"rpc,omitempty"`    // of a VIP with RPC over HTTP
	Shield      *Shield           `json:"shield,omitempty"` // of a VIP that looks for attacks
	Cookieless  uint64            `json:"cookieless"`       // client connections that do not bring the cookie they were given

	Certificates []Certificate `json:"certificates"` // none where it ends no TLS
	Traffic      []Traffic     `json:"traffic"`      // of requests without a profile, then of each profile
	Handshakes   []Handshakes  `json:"handshakes"`
}

// Route is what clients of an ssl_bridge VIP get that ask for some names, in Status.
type Route struct {
	Hosts   []string `json:"hosts"`
	Pool    string   `json:"pool"`
	Profile string   `json:"profile"`
	Up      bool     `json:"up"`
}

// Shield is what a VIP does about requests that look like attacks on Exchange, in
// Status.
type Shield struct {
	Refuses bool              `json:"refuses"`
	Rules   string            `json:"rules"` // their version
	Hits    map[string]uint64 `json:"hits"`  // requests by rule
}

// RPC is how the connections of RPC over HTTP fare, in Status.
type RPC struct {
	Connections uint64            `json:"connections"` // virtual ones, since start
	Channels    uint64            `json:"channels"`    // of them: IN, OUT and those that replaced others
	Unread      uint64            `json:"unread"`      // channels that did not say which connection they are of
	Late        uint64            `json:"late"`        // channels that were waited for in vain
	Splits      map[string]uint64 `json:"splits"`      // connections with channels on different servers, by cause
}

// Clashes are how often cookies came that have the name of one of casbah's own and
// that somebody else made, in Status.
type Clashes struct {
	Set     uint64 `json:"set"`     // by a server
	Brought uint64 `json:"brought"` // by a client, with a value that casbah did not make
}

// Persistence is how a profile of a VIP keeps its clients on their servers, in
// Status.
type Persistence struct {
	Profile  string          `json:"profile"`
	Chain    []string        `json:"chain"`                      // steps, in order
	Timeout  float64         `json:"binding_seconds"`            // a binding lives so long without use
	Override *node.Timeout   `json:"timeout_override,omitempty"` // by which an operator has set it; none: the file did
	Inserted *InsertedCookie `json:"cookie,omitempty"`

	Companions []string `json:"companions,omitempty"` // names of the cookies that go with the application's
}

// InsertedCookie is the cookie of insert_cookie, in Status.
type InsertedCookie struct {
	Name    string  `json:"name"`
	Version int     `json:"version"`         // 0: Expires, 1: Max-Age
	Timeout float64 `json:"timeout_seconds"` // 0: until the browser closes

	Format   string `json:"format"`
	Path     string `json:"path"`
	Domain   string `json:"domain,omitempty"`
	SameSite string `json:"same_site,omitempty"`
	HTTPOnly bool   `json:"http_only"`
	Secure   bool   `json:"secure"`
}

// Pool is a CAS array in Status.
type Pool struct {
	Name        string     `json:"name"`
	Algorithm   string     `json:"algorithm"`
	UpstreamTLS string     `json:"upstream_tls"`
	PanicBelow  int        `json:"panic_below"`         // percent; 0: off
	Panic       []string   `json:"panic"`               // profiles for which panic_below is in effect
	BackedUp    []string   `json:"backed_up"`           // profiles of which backups take new clients
	Placement   *Placement `json:"placement,omitempty"` // missing: nobody asks where mailboxes are
	Servers     []Server   `json:"servers"`
}

// Server is a member of a pool in Status.
type Server struct {
	Name     string    `json:"name"`
	Address  string    `json:"address"`
	Weight   int       `json:"weight"`
	Active   int64     `json:"active"` // requests and relayed connections open now
	Requests uint64    `json:"requests"`
	Bindings int       `json:"bindings"`
	Services []Service `json:"services"`
	Learned  []Learned `json:"learned,omitempty"` // its dynamic ports
	Backup   bool      `json:"backup"`            // it takes new clients only while no ordinary server does
	Places   *Places   `json:"places,omitempty"`  // of a server with a limit
}

// Service is a profile on a server in Status.
type Service struct {
	Profile    string    `json:"profile"`
	State      string    `json:"state"` // up, down, drain, maintenance, unknown
	Since      time.Time `json:"since,omitzero"`
	LastProbe  time.Time `json:"last_probe,omitzero"`
	Probe      string    `json:"probe"` // what is asked
	ProbeTime  float64   `json:"probe_seconds"`
	ProbeError string    `json:"probe_error,omitempty"` // of the last probe
	ProbeCause string    `json:"probe_cause,omitempty"` // likewise, in one word
	Probes     Probes    `json:"probes"`
	Deep       *Deep     `json:"deep_probe,omitempty"` // of a service that has one
	Active     int64     `json:"active"`
	Requests   uint64    `json:"requests"`
	Failures   uint64    `json:"failures"`
	Latency    float64   `json:"latency_seconds"` // moving average to the first response octet
	Order      *Order    `json:"order,omitempty"` // of an operator
}

// Table is the binding table in Status.
type Table struct {
	Bindings    int     `json:"bindings"`
	Capacity    int     `json:"capacity"`
	Unconfirmed int     `json:"unconfirmed"`
	Placements  int     `json:"placements"` // beside the bindings, what is known of where mailboxes are
	Evictions   uint64  `json:"evictions"`
	Refusals    uint64  `json:"refusals"`
	Oldest      float64 `json:"oldest_seconds"` // since the binding unused for longest was used
	Memory      int64   `json:"memory_octets"`
	FullIn      float64 `json:"full_in_seconds,omitempty"` // at the growth of the last minutes; missing: not within a day, or it is full

	Saved         time.Time `json:"saved,omitzero"` // to the state directory, by this process
	SavedBindings int       `json:"saved_bindings"`
	SaveError     string    `json:"save_error,omitempty"` // of the last try
	Restored      int       `json:"restored_bindings"`    // at the start
	RestoreError  string    `json:"restore_error,omitempty"`
}

// Shared counts the addresses that many clients share, in Status; which they are
// is the answer of /api/v1/shared.
type Shared struct {
	All            int `json:"all"`
	NotBalanceable int `json:"not_balanceable"` // their clients cannot be told apart
}

// Event is one thing that happened, in Status.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// statusOf gives the node's status its stable names.
func statusOf(st *node.Status) *Status {
	s := &Status{
		Version: st.Version, Started: st.Started, Now: st.Now, Loaded: st.Loaded, Ready: st.Ready, Stopping: st.Stopping,
		ConfigPath: st.ConfigPath, ReloadError: st.ReloadError, Connections: st.Connections, ConnectionLimit: st.ConnectionLimit, Panics: st.Panics,
		VIPs: make([]VIP, 0, len(st.VIPs)), Pools: make([]Pool, 0, len(st.Pools)), Events: make([]Event, 0, len(st.Events)),
		Table: tableOf(&st.Table), Shared: sharedOf(st.Shared), Protection: protectionOf(&st.Protection),
	}
	s.Leaving, s.Engine = leavingOf(st.Leaving), engineOf(&st.Engine)
	for i := range st.VIPs {
		s.VIPs = append(s.VIPs, vipOf(&st.VIPs[i]))
	}
	for i := range st.Pools {
		s.Pools = append(s.Pools, poolOf(&st.Pools[i]))
	}
	for _, e := range st.Events {
		s.Events = append(s.Events, Event{At: e.At, Kind: e.Kind, Text: e.Text})
	}
	return s
}

func tableOf(t *node.TableStatus) Table {
	return Table{
		Bindings: t.Bindings, Capacity: t.Capacity, Unconfirmed: t.Unconfirmed, Placements: t.Placements, Evictions: t.Evictions, Refusals: t.Refusals,
		Oldest: t.Oldest.Seconds(), Memory: t.Bytes, FullIn: t.FullIn.Seconds(),
		Saved: t.File.Saved, SavedBindings: t.File.SavedBindings, SaveError: t.File.SaveError,
		Restored: t.File.Restored, RestoreError: t.File.RestoreError,
	}
}

func leavingOf(all []node.Leaving) []Leaving {
	out := make([]Leaving, 0, len(all))
	for _, l := range all {
		out = append(out, Leaving(l))
	}
	return out
}

func engineOf(e *node.EngineStatus) Engine {
	out := Engine{Driver: e.Driver, Loops: make([]Loop, 0, len(e.Loops)), Goroutines: e.Goroutines}
	for i, open := range e.Loops {
		loop := Loop{Connections: open}
		if i < len(e.Lags) {
			loop.Lag = e.Lags[i].Seconds()
		}
		out.Loops = append(out.Loops, loop)
	}
	return out
}

func vipOf(v *node.VIPStatus) VIP {
	return VIP{
		Name: v.Name, Type: v.Type, Pool: v.Pool, Listen: list(v.Listen), Profiles: list(v.Profiles), Up: v.Up,
		Routes: routesOf(v.Routes), Persistence: persistenceOf(v.Persistence),
		Connections: v.Conns, Accepted: v.Accepted, Requests: v.Requests, Status: counts(v.Status), In: v.In, Out: v.Out,
		Refused: counts(v.Refused), Ends: counts(v.Ends), Pins: v.Pins, Identity: Identity(v.Identities), Unlogged: v.Unlogged, Dropped: v.Dropped, Injections: v.Injections,
		Evictions: v.Evictions, Refusals: v.Refusals, Mapper: mapperOf(v.Mapper),
		Clashes: Clashes{Set: v.ClashesSet, Brought: v.ClashesBrought}, RPC: rpcOf(v.RPC), HTTP2: http2Of(v.HTTP2), Shield: shieldOf(v.Shield), Cookieless: v.Cookieless,
		Certificates: certificatesOf(v.Certificates), Traffic: trafficOf(v.Traffic), Handshakes: handshakesOf(v.Handshakes),
	}
}

func routesOf(all []node.RouteStatus) []Route {
	out := make([]Route, 0, len(all))
	for i := range all {
		out = append(out, Route(all[i]))
	}
	return out
}

func rpcOf(r *node.RPCStatus) *RPC {
	if r == nil {
		return nil
	}
	return &RPC{Connections: r.Connections, Channels: r.Channels, Unread: r.Unread, Late: r.Late, Splits: counts(r.Splits)}
}

func shieldOf(s *node.ShieldStatus) *Shield {
	if s == nil {
		return nil
	}
	return &Shield{Refuses: s.Refuses, Rules: s.Rules, Hits: counts(s.Hits)}
}

func persistenceOf(all []node.PersistenceStatus) []Persistence {
	out := make([]Persistence, 0, len(all))
	for i := range all {
		p := Persistence{Profile: all[i].Profile, Chain: list(all[i].Chain), Timeout: all[i].Timeout.Seconds(), Override: all[i].Override}
		if c := all[i].Inserted; c != nil {
			p.Inserted = &InsertedCookie{
				Name: c.Name, Version: c.Version, Timeout: c.Timeout.Seconds(), Format: c.Format, Path: c.Path,
				Domain: c.Domain, SameSite: c.SameSite, HTTPOnly: c.HTTPOnly, Secure: c.Secure,
			}
		}
		p.Companions = all[i].Companions
		out = append(out, p)
	}
	return out
}

func poolOf(p *node.PoolStatus) Pool {
	pool := Pool{
		Name: p.Name, Algorithm: p.Algorithm, UpstreamTLS: p.UpstreamTLS, PanicBelow: p.PanicBelow, Panic: list(p.Panic), BackedUp: list(p.BackedUp),
		Placement: placementOf(p.Placement),
		Servers:   make([]Server, 0, len(p.Servers)),
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		server := Server{
			Name: s.Name, Address: s.Address, Weight: s.Weight, Active: s.Active, Requests: s.Requests,
			Bindings: s.Bindings, Services: make([]Service, 0, len(s.Services)),
			Learned: learnedOf(s.Learned), Backup: s.Backup, Places: placesOf(&s.Places),
		}
		for j := range s.Services {
			service := serviceOf(&s.Services[j])
			service.Order = orderIn(s.Services[j].Order, s.Bindings, s.Services[j].Active)
			server.Services = append(server.Services, service)
		}
		pool.Servers = append(pool.Servers, server)
	}
	return pool
}

func serviceOf(s *node.ServiceStatus) Service {
	return Service{
		Profile: s.Profile, State: s.State, Since: s.Since, LastProbe: s.LastProbe, Probe: s.Probe, ProbeTime: s.ProbeTime.Seconds(),
		ProbeError: s.ProbeError, ProbeCause: causeOf(s.ProbeCause), Probes: probesOf(&s.Probes), Deep: deepOf(s.Deep), Active: s.Active, Requests: s.Requests, Failures: s.Failures, Latency: s.Latency.Seconds(),
	}
}

// list and counts keep null out of the answer: a reader loops over them.
func list(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}

func counts(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}
