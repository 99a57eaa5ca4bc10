// Package route holds the run-time form of VIPs and profiles: it finds the
// profile of a request by host and path, decides which server gets the request,
// and can say why. It is the one place where a server is chosen.
package route

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// VIP is one virtual service of one snapshot. It is immutable but for what it
// points to: counters and services outlive it.
type VIP struct {
	Name           string
	Secure         bool     // TLS is terminated here
	Hosts          []string // in lower case, without port; empty serves any host
	RootRedirect   string   // where "/" alone is sent; empty: nowhere
	Profiles       []*Profile
	Routes         map[string]*Profile // who serves those that ask for a name, in lower case; "*.example.org": any with one label in front
	Retired        bool                // a reload has taken the VIP away: connections close behind their next answer
	TrustedProxies []netip.Prefix      // whose X-Forwarded-For names the client

	SubjectHeader   string   // tells the server the subject of the client's certificate; empty: it is not told
	Private         []string // headers of that kind, of any VIP, in lower case: what a client sends is dropped
	HTTP2           bool     // clients are offered it
	StrictTransport string   // a line of every answer, with its end; empty: none

	Challenges *Challenges // of ACME servers, which are answered before all else; nil: there are none

	Shield *Shield // nil: nobody looks for attacks

	HeadBytes     int           // longest head, in octets
	HeaderTimeout time.Duration // from the first octet of a request head to its last
	IdleTimeout   time.Duration // between requests of one connection

	Counters  *Counters
	Clashed   func(*Record) // is told of requests with a cookie clash; nil: nobody is. It does not block or keep the record.
	Split     func(Split)   // is told of virtual connections whose channels are apart; nil: nobody is. It does not block.
	Faulted   func(Foreign) // is told of requests on somebody else's connection; nil: nobody is. It does not block.
	Decisions *Decisions    // keeps what was decided; nil: nothing does
	Users     bool          // access records name the user of a connection that carries an identity
	Log       func(*Record) // takes the access record of a request; nil: no log. It does not block or keep the record.
}

// Current is where the connections of one VIP find the snapshot in force.
type Current = atomic.Pointer[VIP]

// Trusts reports whether addr is a proxy whose forwarding headers count.
func (v *VIP) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, p := range v.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
