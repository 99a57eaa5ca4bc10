package profiles

import (
	"net/netip"
	"time"
)

// Site is what a reload puts in force.
type Site struct {
	// Preset selects the shipped profiles: exchange2010 or exchange2016.
	Preset string `toml:"preset"`
	// CookiePassphrase is what the key of inserted cookies derives from. Empty:
	// one is generated and kept in the state directory.
	CookiePassphrase Secret `toml:"cookie_passphrase"`
	// CookiePassphraseFile is the file that CookiePassphrase was read from.
	CookiePassphraseFile string `toml:"cookie_passphrase_file"`
	// CookiePassphraseOldFiles are files with passphrases of before: cookies sealed
	// under them are read, and issued anew under the current one.
	CookiePassphraseOldFiles []string `toml:"cookie_passphrase_old_files"`
	// CookiePassphrasesOld are what was read from those files.
	CookiePassphrasesOld []Secret `toml:"-"`
	// CookieVersion is that of every insert_cookie step that sets none.
	CookieVersion int `toml:"cookie_version"`
	// CookieHTTPOnly is that of every insert_cookie step that sets none.
	CookieHTTPOnly bool                `toml:"cookie_http_only"`
	ACME           ACME                `toml:"acme"`
	Servers        []Server            `toml:"server"`
	Pools          []Pool              `toml:"pool"`
	VIPs           []VIP               `toml:"vip"`
	Profiles       map[string]*Profile `toml:"profile"` // all that ship and all that the site adds
}

// Server is one client access server.
type Server struct {
	// Name is what pools, status and commands call the server.
	Name string `toml:"name"`
	// Address is a host name or address, with or without a port. A port here
	// wins over the pool's, and that over the profile's.
	Address string `toml:"address"`
	// Weight is the server's share of new clients, against the other weights.
	Weight int `toml:"weight"`
	// ID is what server_id steps know the server by; empty: nothing.
	ID string `toml:"id"`
	// MaxConnections is how many requests and relayed connections are open to the
	// server at once, over all profiles; 0 is no limit.
	MaxConnections int `toml:"max_connections"`
	// Queue is how many may wait for a place while the server has as many.
	Queue int `toml:"queue"`
	// QueueTimeout is how long each of them waits.
	QueueTimeout time.Duration `toml:"queue_timeout"`
	// FQDN is the name by which the server calls itself, on its health pages; empty:
	// not known.
	FQDN string `toml:"fqdn"`
}

// Pool is an array of servers.
type Pool struct {
	// Name is what VIPs call the pool.
	Name string `toml:"name"`
	// Servers are the members by name, at most MaxServers.
	Servers []string `toml:"servers"`
	// Backup are those of Servers that take new clients of a profile only while no
	// other server of the pool does.
	Backup []string `toml:"backup"`
	// Algorithm chooses a server when nothing binds the client: least_conn,
	// round_robin, source_hash, least_time or random_two.
	Algorithm string `toml:"algorithm"`
	// SlowStart is how long a server that comes back takes to reach its full
	// weight; 0 is off.
	SlowStart time.Duration `toml:"slow_start"`
	// ConnectTimeout bounds TCP and TLS towards a server together.
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	// UpstreamTLS is off (TLS ends at casbah), on (re-encrypted, see TLS), or
	// starttls (likewise, once the servers are asked for it in the words of mail).
	UpstreamTLS string `toml:"upstream_tls"`
	// ProxyProtocol has connections to the servers begin with a PROXY protocol
	// header that names the client: off, v1 or v2.
	ProxyProtocol string `toml:"proxy_protocol"`
	// Port of the servers; 0 is 80, or 443 with UpstreamTLS on, or for TCP the profile's.
	Port int `toml:"port"`
	// PanicBelow is the percentage of services up below which all that are not
	// in maintenance are used; 0 is off.
	PanicBelow int `toml:"panic_below"`
	// Placement says what becomes of what answers of Exchange 2013 and later tell of
	// where mailboxes are: off, observe (it is counted and remembered), or prefer
	// (clients that nothing binds are given the server of their mailbox, too).
	Placement string  `toml:"placement"`
	TLS       PoolTLS `toml:"tls"`
}

// MaxServers is how many servers a pool may have.
const MaxServers = 64

// VIP is a virtual service.
type VIP struct {
	// Name is what status, logs and metrics call the VIP.
	Name string `toml:"name"`
	// Type is http, https, tcp, tls, udp or ssl_bridge.
	Type string `toml:"type"`
	// Listen are the addresses and ports that clients connect to. Port 0 lets
	// the system choose one.
	Listen []netip.AddrPort `toml:"listen"`
	// Profiles are the protocols served, by name.
	Profiles []string `toml:"profiles"`
	// Pool is the pool behind the VIP, by name.
	Pool string `toml:"pool"`
	// Transparent has connections to the servers come from the address of the
	// client, which needs a right of the system, and servers that answer by casbah.
	Transparent bool `toml:"transparent"`
	// AcceptProxyFrom are the senders that must begin with a PROXY protocol
	// header; from others it is not read as one.
	AcceptProxyFrom []netip.Prefix `toml:"accept_proxy_from"`
	// TrustedProxies are the peers whose X-Forwarded-For names the client.
	TrustedProxies []netip.Prefix `toml:"trusted_proxies"`
	// Hosts are the names served, in lower case; empty serves any.
	Hosts []string `toml:"hosts"`
	// Shield says what becomes of requests that look like attacks on Exchange: off
	// does not look, report counts and records them, enforce refuses them.
	Shield string `toml:"shield"`
	// AdminNetworks are where administrators are: requests for PowerShell and the
	// administration in ECP from elsewhere meet a rule of the shield. Empty: anywhere.
	AdminNetworks []netip.Prefix `toml:"admin_networks"`
	// RootRedirect is where a request for "/" alone is sent; empty: nowhere.
	// Not set, it is /owa/ where that path is served.
	RootRedirect string `toml:"root_redirect"`
	// HTTP2 offers HTTP/2 to clients, beside HTTP/1.1, on a VIP of type https.
	HTTP2 bool `toml:"http2"`
	// Connections is how many client connections may be open at once; 0 is no
	// limit but that of the process.
	Connections int `toml:"connections"`
	// TableFull says what happens to a new binding when the table is full:
	// evict_oldest or refuse.
	TableFull string `toml:"table_full"`
	// AcceptSNAT says that the servers may take every sender of mail for one of
	// the inside: behind a relay all have its address.
	AcceptSNAT bool `toml:"accept_snat"`
	// StartTLS says that casbah ends the TLS that clients of mail ask for within
	// their protocol, on a VIP of type tcp: it is offered to them whatever the
	// servers offer.
	StartTLS bool `toml:"starttls"`
	// RequireTLS has clients that have not asked for it yet do nothing else.
	RequireTLS bool `toml:"require_tls"`
	// Mapper says what becomes of the answers of the servers' endpoint mappers: pass
	// leaves them, for servers with static ports, and rewrite puts in the ports of
	// the VIPs that casbah has for the interfaces, for servers with dynamic ones.
	Mapper string `toml:"mapper"`
	// Group is the persistence group that the VIP shares bindings in with other
	// VIPs of the same group and pool; empty: none.
	Group string `toml:"group"`
	// Routes have clients that ask for some names served by other pools, on a VIP of
	// type ssl_bridge.
	Routes       []Route       `toml:"route"`
	Certificates []Certificate `toml:"certificate"`
	TLS          VIPTLS        `toml:"tls"`
}
