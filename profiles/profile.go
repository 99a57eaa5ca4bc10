package profiles

import (
	"net/netip"
	"time"
)

// Profile is the named rules of one Exchange protocol.
type Profile struct {
	Name string `toml:"-"`
	// Protocol is what carries it: http, tcp or udp.
	Protocol string `toml:"protocol"`
	// Paths are the URL path prefixes that select an http profile; they match
	// without case and at a path boundary. Here they are in lower case, without
	// a trailing slash but for "/" alone.
	Paths []string `toml:"paths"`
	// Ports are the usual ports of a tcp or udp profile.
	Ports []int `toml:"ports"`
	// Interfaces are those of RPC over TCP that the profile serves, or that it asks
	// the endpoint mapper for; see ParseInterface.
	Interfaces []string `toml:"interfaces"`
	// Methods are the HTTP methods served; others are answered with 405.
	Methods []string `toml:"methods"`
	// Auth tells how clients of the protocol log in: forms, basic, ntlm,
	// negotiate, bearer, certificate or anonymous.
	Auth []string `toml:"auth"`
	// ExtendedProtection is what the servers ask of Windows authentication:
	// none, allow or require. With require, TLS must not end at casbah.
	ExtendedProtection string `toml:"extended_protection"`
	// HTTPSRedirect has http VIPs send the profile's clients to https, and serve
	// none of them.
	HTTPSRedirect bool `toml:"https_redirect"`
	// Group is the persistence group: profiles of one group, on one pool, keep
	// a client on one server. Empty: none.
	Group string `toml:"group"`
	// Lead says that this profile's health decides whether a server is usable
	// for its group.
	Lead bool `toml:"lead"`

	// HeaderTimeout is the time from the first octet of a request head to its last.
	HeaderTimeout time.Duration `toml:"header_timeout"`
	// ResponseTimeout is the wait for the first octet of a response while
	// nothing else moves. Not set, it is IdleTimeout.
	ResponseTimeout time.Duration `toml:"response_timeout"`
	// IdleTimeout is the time between octets, in either direction.
	IdleTimeout time.Duration `toml:"idle_timeout"`
	// IdleFloor is the least IdleTimeout and ResponseTimeout that the protocol
	// bears. A site cannot change that of a shipped profile.
	IdleFloor time.Duration `toml:"idle_floor"`
	// BindingTimeout is how long a binding lasts without use.
	BindingTimeout time.Duration `toml:"binding_timeout"`
	// MinBodyRate is the least rate of a request body, in octets per second; 0: none.
	MinBodyRate int `toml:"min_body_rate"`

	// Reuse is never, or anonymous: upstream connections that never carried a
	// login serve other clients too.
	Reuse string `toml:"reuse"`
	// WebSocket says whether Upgrade: websocket is passed on.
	WebSocket bool `toml:"websocket"`
	// StrictOrder keeps the candidate of an address even if an identity key
	// names another server.
	StrictOrder bool `toml:"strict_order"`
	// Fallback says whether a client whose server is down is sent to another;
	// otherwise it gets 502.
	Fallback bool `toml:"fallback"`
	// SharedAfter is from how many clients on a source address is shared, so that
	// it no longer decides for clients who can be told apart; 0: never.
	SharedAfter int `toml:"shared_after"`
	// SharedNetworks are addresses that are always shared, SingleNetworks such as
	// never are. Of networks that hold an address the smallest counts.
	SharedNetworks []netip.Prefix `toml:"shared_networks"`
	SingleNetworks []netip.Prefix `toml:"single_networks"`

	Chain []Step `toml:"chain"`
	Probe Probe  `toml:"probe"`
	// DeepProbe asks who is logged in, beside Probe. Without a user there is none.
	DeepProbe DeepProbe `toml:"deep_probe"`
}

// Step is one persistence method of a chain.
type Step struct {
	// By is the method, such as source_ip, cookie, insert_cookie, header or none.
	By string `toml:"by"`
	// Name of the cookie, header or parameter. For insert_cookie empty is CASBAH_
	// and four letters, see CookieName. For url_server_id it is what stands before
	// the ID, such as "sid=".
	Name string `toml:"name"`
	// In says where a server_id stands: query, header or cookie.
	In string `toml:"in"`
	// Expression of a rule: its value is the key.
	Expression string `toml:"expression"`
	// Origin of a cookie: server (learned from Set-Cookie) or client (made by
	// the client, binds on the request).
	Origin string `toml:"origin"`
	// Prefix4 and Prefix6 are the leading bits of a client address that count.
	Prefix4 int `toml:"prefix4"`
	Prefix6 int `toml:"prefix6"`

	// CookieVersion of the inserted cookie: 0 writes Expires, 1 Max-Age.
	CookieVersion int `toml:"version"`
	// CookieTimeout is the life of the inserted cookie; 0: until the browser closes.
	CookieTimeout time.Duration `toml:"timeout"`
	// Domain attribute; empty: not written.
	Domain string `toml:"domain"`
	// Path attribute.
	Path string `toml:"path"`
	// Secure and HTTPOnly attributes.
	Secure   bool `toml:"secure"`
	HTTPOnly bool `toml:"http_only"`
	// SameSite attribute: Strict, Lax or None; empty: not written.
	SameSite string `toml:"same_site"`
	// Format of the inserted cookie: casbah (sealed) or netscaler (the server's
	// address and port in hexadecimal).
	Format string `toml:"format"`
	// Companion says that casbah adds a cookie of its own to one that the server
	// sets, and knows the server by it without the table.
	Companion bool `toml:"companion"`
}

// Probe is the question that tells whether a service is up.
type Probe struct {
	// Kind is http, tcp, imap, pop3, smtp, epm, rpc or none.
	Kind string `toml:"kind"`
	// Method, Path and Host are of an http probe's request. An empty Host is
	// the first of the VIP's hosts, or else the server's address.
	Method string `toml:"method"`
	Path   string `toml:"path"`
	Host   string `toml:"host"`
	// Expect are the status codes of an http probe that mean up.
	Expect []int `toml:"expect"`
	// User is the account that the probe of a mail protocol logs in with; empty: it
	// does not.
	User string `toml:"user"`
	// PasswordFile is the file that Password was read from.
	PasswordFile string `toml:"password_file"`
	Password     Secret `toml:"-"`
	// Interval is the time from the start of one probe to the next.
	Interval time.Duration `toml:"interval"`
	// Timeout bounds one probe; less than Interval.
	Timeout time.Duration `toml:"timeout"`
	// Rise and Fall are how many good or bad answers in a row change the state.
	Rise int `toml:"rise"`
	Fall int `toml:"fall"`
}
