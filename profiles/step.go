package profiles

import "slices"

// The persistence methods of a step.
const (
	bySourceIP     = "source_ip"
	byCookie       = "cookie"
	byInsertCookie = "insert_cookie"
	byHeader       = "header"
	byMailbox      = "mailbox"
	bySSLID        = "ssl_id"
	byURLServerID  = "url_server_id"
	byServerID     = "server_id"
	byRule         = "rule"
	byDestIP       = "dest_ip"
	bySrcDestIP    = "src_dest_ip"
	byRPCConn      = "rpc_connection"
	byRPCAssoc     = "rpc_association"
	byNone         = "none"
)

// Sets of VIP types.
var (
	allTypes  = []string{"http", "https", "tcp", "tls", "udp", "ssl_bridge"}
	httpTypes = []string{"http", "https"} // casbah reads the requests
	flowTypes = []string{"tcp", "udp"}
)

// fits names the VIP types that can have a step: a key can only be read where
// it is in sight, and a cookie only be written there.
var fits = map[string][]string{
	bySourceIP:     allTypes,
	byCookie:       httpTypes,
	byInsertCookie: httpTypes,
	byHeader:       httpTypes,
	byMailbox:      httpTypes,
	bySSLID:        {"https", "tls", "ssl_bridge"},
	byURLServerID:  httpTypes,
	byServerID:     httpTypes,
	byRule:         httpTypes,
	byDestIP:       flowTypes,
	bySrcDestIP:    flowTypes,
	byRPCConn:      httpTypes,
	byRPCAssoc:     {"tcp"},
	byNone:         allTypes,
}

// carriers names the VIP types that can carry a profile of a protocol. An
// ssl_bridge VIP passes HTTP on without seeing it.
var carriers = map[string][]string{
	"http": {"http", "https", "ssl_bridge"},
	"tcp":  {"tcp", "tls", "ssl_bridge"},
	"udp":  {"udp"},
}

// stepsFor returns the methods that VIPs of those types can have, in the order in
// which documents list them; those of this version only.
func stepsFor(types ...string) []string {
	var all []string
	for _, by := range methods.now {
		if slices.ContainsFunc(types, func(t string) bool { return reads(by, t) }) {
			all = append(all, by)
		}
	}
	return all
}

// reads reports whether a VIP of type t can have the step in this version.
func reads(by, t string) bool {
	return methods.has(by) && slices.Contains(fits[by], t)
}

// reads returns what tells apart two steps of one method.
func (s *Step) reads() [3]string { return [...]string{s.Name, s.In, s.Expression} }

// stepKeys names the keys that mean something for a method, beside by.
var stepKeys = map[string][]string{
	bySourceIP:     {"prefix4", "prefix6"},
	bySrcDestIP:    {"prefix4", "prefix6"},
	byCookie:       {"name", "origin", "companion"},
	byInsertCookie: {"name", "version", "timeout", "domain", "path", "secure", "http_only", "same_site", "format"},
	byHeader:       {"name"},
	byURLServerID:  {"name"},
	byServerID:     {"name", "in"},
	byRule:         {"expression"},
}
