package route

import (
	"net/netip"
	"sync/atomic"
	"time"

	"casbah/internal/shield"
	"casbah/persistence"
)

// End says how a request or a relayed connection ended; a closed list.
type End uint8

// The ends of a request or a relayed connection.
const (
	EndDone     End = iota // request and response complete; both sides closed
	EndClient              // the client closed or reset
	EndServer              // the server closed, reset or sent garbage
	EndIdle                // nothing moved for the idle time
	EndTimeout             // the server did not begin its answer in time
	EndSlow                // the client sent its head or body too slowly
	EndRefused             // casbah answered by itself: framing, path, method, host
	EndNoServer            // no server up, or none could be reached
	EndKill                // casbah stopped
	EndDrain               // casbah stops, and took leave of the client in the words of the protocol
	EndProtocol            // the client broke the rules of the protocol
	EndPartner             // the other channel of its virtual connection had ended
	EndIdentity            // the server's connection was somebody else's: a fault of casbah's own, and nothing was sent
	EndFull                // the server had no place, and none came free in time
	ends
)

// String returns the word of the access record.
func (e End) String() string {
	return [...]string{"done", "client", "server", "idle", "timeout", "slow", "refused", "no_server", "kill", "drain", "protocol", "partner", "identity", "full"}[e]
}

// Record is what the access log tells of one request, or of one relayed
// connection. Its slices are valid during the call that hands it over. It holds
// no secret: no query, no header value, and no user unless the site asks.
type Record struct {
	VIP        string
	Profile    string // empty if none was found
	Client     netip.AddrPort
	Source     netip.Addr // the client that a trusted proxy names; the client's own address otherwise
	Server     string     // empty if none was chosen
	Relayed    bool       // a connection that was relayed: Method, Path, Status and First say nothing, and Host is what its TLS asks for
	Method     []byte
	Host       []byte
	Path       []byte // without the query
	Step       string // the chain step that decided; empty: the algorithm
	Why        string // the decision in one word
	Status     int    // 0: no response
	In, Out    int64  // octets of the request from the client, of the response to it
	Begin      int64  // first octet of the head, or opening of the connection, Unix nanoseconds
	First      int64  // first octet of the response; 0 without
	Finish     int64
	End        End
	Pinned     bool   // the upstream connection carries an identity
	User       []byte // whom its credentials named last, where VIP.Users asks; empty: nobody
	Clash      string // name of a cookie of casbah's own that somebody else makes too; empty: none was seen
	ClashSet   bool   // the server made it; else the client brought what casbah did not make
	Cookieless bool   // casbah gave its cookie again, as the client connection does not bring the one of before
	Attempts   int    // connections tried
	Waited     int64  // nanoseconds for a place at a server; 0: it did not wait
	Shield     string // the rule by which it looks like an attack; empty: none
	HTTP2      bool   // it came by HTTP/2
	Split      bool   // a channel of RPC over HTTP whose other one is on another server
}

// Counters are the figures of one VIP. They outlive reloads.
type Counters struct {
	Conns      atomic.Int64  // client connections open now
	Accepted   atomic.Uint64 // client connections since start
	Ends       [ends]atomic.Uint64
	In, Out    atomic.Uint64 // octets from and to clients
	Refused    [causes]atomic.Uint64
	Pins       atomic.Uint64        // upstream connections that were pinned
	Unlogged   atomic.Uint64        // access records dropped because the log was too slow
	Dropped    atomic.Uint64        // datagrams of flows that could not be passed on
	Injections atomic.Uint64        // clients behind whose STARTTLS octets came in clear, which were discarded
	Table      persistence.Pressure // what its bindings met where the table had no room
	Mapper     MapperCounters       // of a VIP of the endpoint mapper that rewrites
	Clashes    Clashes
	Cookieless atomic.Uint64 // client connections that do not bring the cookie that casbah gave them
	traffics   traffics      // requests, by profile
	Handshakes Handshakes
	RPC        RPC
	HTTP2      HTTP2
	Identities Identities
	Shield     [shield.Rules]atomic.Uint64 // requests that met a rule, by it
}

// Cause is why casbah refused a connection or answered a request by itself.
type Cause uint8

// The causes of refusals.
const (
	CauseConnLimit   Cause = iota // [limits] connections
	CauseVIPLimit                 // connections of the VIP
	CauseSource                   // [limits] per_source
	CauseDescriptors              // file descriptors, or memory of the kernel
	CauseProxy                    // PROXY header missing, malformed or from a stranger
	CauseTLS                      // handshake
	CauseHead                     // malformed, ambiguous or oversized head
	CauseBody                     // chunk framing
	CausePath                     // dot segments, backslash, encoded separator
	CauseHost                     // 421
	CauseProfile                  // 404
	CauseMethod                   // 405
	CausePlain                    // 403, of what https_redirect cannot redirect
	CauseSlow                     // 408
	CauseNoServer                 // 503
	CauseGarbage                  // 502
	CauseTimeout                  // 504
	CauseStopping                 // casbah stops
	CauseProtocol                 // a command that breaks the rules of its protocol
	CauseShield                   // it looks like an attack on Exchange
	CauseQueueFull                // 503, of a server that takes no more while as many wait for it as may
	CauseQueueLate                // 503, of a server that had no place in time
	CauseLogin                    // 502, of a server that offers nothing but logins which HTTP/2 does not carry
	causes
)

// Causes is how many causes there are.
const Causes = int(causes)

// String returns the cause's label in status and metrics.
func (c Cause) String() string {
	return [...]string{
		"connection_limit", "vip_limit", "source_limit", "descriptors", "proxy_header", "tls", "head", "body", "path",
		"host", "profile", "method", "plain", "slow", "no_server", "server_garbage", "server_timeout", "stopping", "protocol", "shield",
		"queue_full", "queue_timeout", "login",
	}[c]
}

// Finished is what Count takes of a request.
type Finished struct {
	Profile *Profile      // nil: none was found
	Status  int           // 0: no response
	Wait    time.Duration // to the first octet of the response
	HTTP2   bool          // it came by HTTP/2
	End     End
	In, Out int64 // octets from and to the client
}

// Count adds a finished request to the counters.
func (v *VIP) Count(f Finished) {
	c := v.Counters
	t := &c.traffics.none
	if f.Profile != nil && f.Profile.Traffic != nil {
		t = f.Profile.Traffic
	}
	t.count(f.Status, f.Wait)
	if f.HTTP2 {
		c.HTTP2.Requests.Add(1)
	}
	c.Ends[f.End].Add(1)
	c.In.Add(uint64(f.In))
	c.Out.Add(uint64(f.Out))
}

// Tell hands the record of a finished request to the log, and tells of a clash
// of cookies.
func (v *VIP) Tell(r *Record) {
	if r.Clash != "" {
		v.Counters.Clashes.count(r)
		if v.Clashed != nil {
			v.Clashed(r)
		}
	}
	if v.Log != nil {
		v.Log(r)
	}
}

// CountRelayed adds a relayed connection that has ended to the counters and
// hands its record to the log. Its octets were counted as they moved: it may
// have been open for a day.
func (v *VIP) CountRelayed(r *Record) {
	v.Counters.Ends[r.End].Add(1)
	if v.Log != nil {
		v.Log(r)
	}
}

// Refuse counts a refusal.
func (v *VIP) Refuse(c Cause) { v.Counters.Refused[c].Add(1) }

// Elapsed returns the time from Begin to Finish.
func (r *Record) Elapsed() time.Duration { return time.Duration(r.Finish - r.Begin) }
