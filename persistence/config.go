package persistence

import (
	"net/netip"
	"time"
)

// MaxSteps is the most steps that a chain may have.
const MaxSteps = 8

// Config describes a chain.
type Config struct {
	Scope    string        // who shares bindings: the persistence group, else VIP, pool and profile
	Steps    []Step        // in order; none is plain balancing
	Table    *Table        // where the bindings live
	Secret   Secret        // keys the hash of all keys; the same wherever the table is shared
	Timeout  time.Duration // idle time of a binding
	Strict   bool          // strict_order: an address keeps its candidate against a confirmed identity
	Fallback bool          // whether a client whose server is gone is served by another one
	Full     Full          // what to do when the table is full
	Pressure *Pressure     // counts how often that was done; nil: nobody asks
	Members  []Member      // the servers of the pool
	Sealer   *Sealer       // for insert_cookie; nil without

	Placement *Placement // of the pool; nil: nobody asks where mailboxes are

	Crowds         *Crowds        // where the clients behind addresses are counted; nil: they are not
	SharedAfter    int            // clients from which on an address is shared; 0: never
	SharedNetworks []netip.Prefix // addresses that always are
	SingleNetworks []netip.Prefix // addresses that never are; of networks that hold an address the smallest counts
}

// Step is one method of a chain.
type Step struct {
	By     Method
	Name   string   // of the cookie, header or parameter; for a cookie, "*" is any; for url_server_id, what stands before the ID
	Also   []string // cookies that the group's other profiles learn, honoured when the request carries them
	Origin Origin   // of the cookie
	In     Place    // where a server's own ID stands

	Expression string // of rule

	Prefix4 int // bits of a client's IPv4 address that count; 0: all 32
	Prefix6 int // bits of a client's IPv6 address that count; 0: 64, since a client changes its address within its network

	Insert     Insert      // of insert_cookie
	Companions []Companion // of a cookie step with origin server
}

// Insert says what the inserted cookie looks like.
type Insert struct {
	Name      string
	Version   int           // 0: Expires, 1: Max-Age
	Timeout   time.Duration // of inactivity; 0: a session cookie, which is never outdated
	Domain    string        // empty: no attribute
	Path      string        // empty: "/"
	Secure    bool
	HTTPOnly  bool
	SameSite  string // "Lax", "Strict", "None"; empty: no attribute
	Netscaler bool   // the value is the server's address and port in hexadecimal, not sealed
}

// Companion is the cookie of casbah's own beside a cookie that the server sets.
type Companion struct {
	Of     string // the server's cookie: a step's Name, or one of Also
	Name   string
	Secure bool
}
