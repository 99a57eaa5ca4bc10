package page

import "time"

// View is everything that the page shows, as plain values. The page escapes
// all of it; the caller puts no secret in.
type View struct {
	Version     string
	Config      string // path of the configuration file
	ReloadError string // why the last reload was refused; empty: it was not
	Ready       bool
	Stopping    bool

	Now, Started time.Time
	Loaded       time.Time // when the configuration in force was loaded

	Changeable bool // orders are taken here

	Conns     int    // client connections open now
	ConnLimit int    // [limits] connections; 0: none
	Panics    uint64 // connections ended by a fault of casbah's own
	Foreign   uint64 // requests that were about to leave on somebody else's connection, and did not

	Traffic Traffic // over all VIPs
	VIPs    []VIP
	Pools   []Pool
	Table   Table
	Advice  []Advice
	Checked time.Time  // when the servers' certificates were compared; zero: not yet
	Shared  []Shared   // addresses that many clients share, those with most first
	Events  []Event    // newest first
	Decided []Decision // those of note, newest first

	ConnHistory, BindingHistory []float64 // oldest first
}

// Traffic is how much flows now, per second. Octets are counted at the client's
// side, when a request ends.
type Traffic struct {
	Requests, In, Out float64
	History           []float64 // requests per second, oldest first

	// Of the last minute: half of the responses, and 99 of 100, had begun by then.
	// 0: there was none.
	Median, Most time.Duration
	Slow         []float64 // Most in seconds, oldest first
}

// VIP is one virtual service.
type VIP struct {
	Name, Type, Pool string
	Listen, Profiles []string
	Up               bool
	Conns            int64 // open now
	Accepted         uint64
	Requests         uint64
	Traffic          Traffic
	Answers          []Count // by hundreds of the status
	Refused, Ends    []Count
	Pins             uint64   // upstream connections that were pinned
	Unlogged         uint64   // access records dropped
	Dropped          uint64   // datagrams of flows that could not be passed on
	Clashes          uint64   // cookies with the name of casbah's own that it did not make
	Outlook          *Outlook // nil: it has no RPC over HTTP
	Protocols        []Protocol
	Storeless        uint64 // client connections that do not bring the cookie they were given
	Evictions        uint64 // live bindings that made room for the VIP's
	Refusals         uint64 // the VIP's bindings that found no room
	Certificates     []Certificate
	Routes           []Route
}

// Outlook is how the connections of RPC over HTTP of a VIP fare.
type Outlook struct {
	Conns, Channels, Unread, Late uint64
	Splits                        []Count // connections with channels on different servers, by cause
}

// Route is the names for which clients of a VIP get another pool.
type Route struct {
	Hosts []string
	Pool  string
}

// Count is how often the thing of that name happened since start.
type Count struct {
	Name string
	N    uint64
}

// Pool is one CAS array.
type Pool struct {
	Name, Algorithm, UpstreamTLS string
	PanicBelow                   int        // percent; 0: off
	Panic                        []string   // profiles for which panic_below is in effect
	BackedUp                     []string   // profiles of which backups take new clients
	Placement                    *Placement // nil: nobody asks where mailboxes are
	Servers                      []Server
}

// Server is one row of the matrix.
type Server struct {
	Name, Address string
	Weight        int
	Active        int64 // requests and relayed connections open now
	Requests      uint64
	Bindings      int
	Backup        bool // it takes new clients only while no ordinary server does
	Limit         int  // of Active; 0: none
	Waiting       int  // for a place
	Services      []Service
}

// Service is one cell of the matrix: a profile on a server.
type Service struct {
	Profile    string
	State      State
	Since      time.Time // of the last change of state; zero: it never changed
	LastProbe  time.Time // zero: not probed yet
	Probe      string    // what is asked
	ProbeTime  time.Duration
	ProbeError string // of the last probe; empty: it went well
	Active     int64
	Requests   uint64
	Failures   uint64
	Latency    time.Duration // moving average to the first response octet; 0: nothing measured
	Order      *Order        // what an operator has ordered; nil: nothing
}

// Table is the binding table.
type Table struct {
	Bindings, Capacity, Unconfirmed int
	Evictions, Refusals             uint64
	Oldest                          time.Duration // since the binding unused for longest was used
	FullIn                          time.Duration // at the growth of the last minutes; 0: not within a day, or it is full
	Bytes                           int64         // memory
	Saved                           time.Time     // to disk; zero: not yet
	SaveError                       string        // of the last try; empty: it went well
	RestoreError                    string        // why the bindings from before the start are lost; empty: they are not
}

// Event is one thing that happened.
type Event struct {
	At         time.Time
	Kind, Text string
}

// State is the state of a service, as the word that status and logs use.
type State string

// The states of a service. Any other word is shown as Unknown.
const (
	Unknown     State = "unknown"
	Up          State = "up"
	Down        State = "down"
	Drain       State = "drain"
	Maintenance State = "maintenance"
)

// known returns the state itself, or Unknown for a word that is none.
func (s State) known() State {
	switch s {
	case Up, Down, Drain, Maintenance:
		return s
	default:
		return Unknown
	}
}
