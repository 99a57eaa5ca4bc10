package persistence

import "time"

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
	Members  []Member      // the servers of the pool
	Sealer   *Sealer       // for insert_cookie; nil without
}

// Step is one method of a chain.
type Step struct {
	By     Method
	Name   string   // of the cookie or header; for a cookie, "*" is any
	Also   []string // cookies that the group's other profiles learn, honoured when the request carries them
	Origin Origin   // of the cookie

	Prefix4 int // bits of an IPv4 address that count; 0: all 32
	Prefix6 int // bits of an IPv6 address that count; 0: 64, since a client changes its address within its network

	Insert Insert // of insert_cookie
}

// Insert says what the inserted cookie looks like.
type Insert struct {
	Name     string        // empty: CookieName of the scope
	Version  int           // 0: Expires, 1: Max-Age
	Timeout  time.Duration // of inactivity; 0: a session cookie, which is never outdated
	Domain   string        // empty: no attribute
	Path     string        // empty: "/"
	Secure   bool
	HTTPOnly bool
	SameSite string // "Lax", "Strict", "None"; empty: no attribute
}
