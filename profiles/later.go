package profiles

import "slices"

// choice is a key with a closed list of words.
type choice struct {
	now   []string // words that can be chosen
	later []string // words of the file format that this version does not have
}

// The words of each key.
var (
	presets        = choice{now: []string{Exchange2010, Exchange2016}}
	engines        = choice{now: []string{"reactor", "net"}}
	logLevels      = choice{now: []string{"debug", "info", "warn", "error"}}
	algorithms     = choice{now: []string{"least_conn", "round_robin", "source_hash", "least_time", "random_two"}}
	upstreamTLS    = choice{now: []string{"off", "on", startedTLS}}
	vipTypes       = choice{now: []string{"http", "https", "tcp", "tls", "udp", "ssl_bridge"}}
	proxyProtocols = choice{now: []string{"off", "v1", "v2"}}
	mapperModes    = choice{now: []string{mapperPass, mapperRewrite}}
	tableFull      = choice{now: []string{"evict_oldest", "refuse"}}
	shields        = choice{now: []string{shieldOff, shieldReport, shieldEnforce}}
	tlsVersions    = choice{now: []string{"1.0", "1.1", "1.2", "1.3"}}
	tlsPolicies    = choice{now: []string{modern, intermediate, legacy}}
	keyTypes       = choice{now: []string{keyECDSA, keyRSA}}
	challenges     = choice{now: []string{challengeTLS, challengeHTTP}}
	clientAuths    = choice{now: []string{"off", "request", "require"}}
	protocols      = choice{now: []string{"http", "tcp", "udp"}}
	authSchemes    = choice{now: []string{"forms", "basic", "ntlm", "negotiate", "bearer", "certificate", "anonymous"}}
	protections    = choice{now: []string{"none", "allow", "require"}}
	reuses         = choice{now: []string{"never", "anonymous"}}
	cookieOrigins  = choice{now: []string{"server", "client"}}
	idPlaces       = choice{now: []string{"query", "header", "cookie"}}
	cookieFormats  = choice{now: []string{formatCasbah, formatNetscaler}}
	sameSites      = choice{now: []string{"Strict", "Lax", "None"}}
	probeKinds     = choice{
		now: []string{"http", "tcp", probeIMAP, probePOP3, probeSMTP, probeEPM, probeRPC, "none"},
	}
	methods = choice{
		now: []string{
			bySourceIP, byCookie, byInsertCookie, byHeader, byMailbox, bySSLID, byURLServerID, byServerID, byRule,
			byDestIP, bySrcDestIP, byRPCConn, byRPCAssoc, byNone,
		},
	}
)

func (c choice) has(word string) bool   { return slices.Contains(c.now, word) }
func (c choice) known(word string) bool { return c.has(word) || slices.Contains(c.later, word) }

// want says what can be chosen instead of got.
func (c choice) want(got string) string {
	if slices.Contains(c.later, got) {
		return oneOf(c.now) + " (" + got + " is " + notInThis + ")"
	}
	return oneOf(c.now)
}

// choose checks a word against its list.
func (r *report) choose(p place, c choice, got string) bool {
	if !c.has(got) {
		r.mistake(p, c.want(got), got)
		return false
	}
	return true
}
