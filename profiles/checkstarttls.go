package profiles

import (
	"slices"
	"strconv"
)

// startedTLS is the upstream_tls of a pool whose servers are asked for TLS in the
// words of their protocol.
const startedTLS = "starttls"

// mailProbes are the protocols that kinds of probes speak.
var mailProbes = map[string]string{probeIMAP: "imap4", probePOP3: "pop3", probeSMTP: smtp}

// MailProtocol returns which protocol of mail a profile is for: imap4, pop3 or
// smtp, by its name or else by what its probe speaks; empty: none.
func MailProtocol(p *Profile) string {
	for _, protocol := range mailProbes {
		if p.Name == protocol {
			return protocol
		}
	}
	return mailProbes[p.Probe.Kind]
}

// EndsTLS reports whether VIP v ends TLS of clients, whenever it begins.
func (v *VIP) EndsTLS() bool {
	return v.Type == "https" || v.Type == terminated || v.Type == "tcp" && v.StartTLS
}

// startTLS checks where TLS begins within a protocol, on either side.
func (k *checker) startTLS(p place, v *VIP, pool *Pool) {
	mail := slices.ContainsFunc(v.Profiles, func(name string) bool {
		pr := k.c.Profiles[name]
		return pr != nil && pr.Protocol == "tcp" && MailProtocol(pr) != ""
	})
	if pool != nil && pool.UpstreamTLS == startedTLS && (!mail || relayTypes[v.Type] != "tcp") {
		k.wordless(p.key("pool"), pool)
	}
	if v.RequireTLS && !v.StartTLS {
		k.mistake(p.key("require_tls"), "starttls = true beside it", true)
	}
	if !v.StartTLS {
		return
	}
	switch at := p.key("starttls"); {
	case v.Type != "tcp":
		k.mistake(at, "this key left out (the VIP is of type "+v.Type+"; clients begin TLS within the protocol on one of type tcp)", true)
	case !mail:
		k.mistake(at, "this key left out (the VIP has no profile of imap4, pop3 or smtp)", true)
	default:
		k.startPorts(p, v)
	}
}

// wordless refuses a pool whose servers would be asked for TLS by nobody.
func (k *checker) wordless(p place, pool *Pool) {
	k.mistake(p, `a pool with another upstream_tls, as only imap4, pop3 and smtp on a VIP of type tcp or tls have words that begin TLS`,
		words(strconv.Quote(pool.Name)+` with upstream_tls = "starttls"`))
}

// startPorts notes ports on which the words for TLS are not what clients expect.
func (k *checker) startPorts(p place, v *VIP) {
	for i, a := range v.Listen {
		switch n := int(a.Port()); {
		case TLSPort(n):
			k.note(p.key("listen").value(i), "clients begin with TLS on port %d, and here are to ask for it first; a VIP of type tls ends theirs", n)
		case n == 25 && v.RequireTLS:
			k.note(p.key("require_tls"), "servers that deliver mail to port 25 in clear are turned away (RFC 3207, Section 4 forbids that to a public one)")
		case n == 25:
			k.note(p.key("starttls"), "Exchange servers among themselves ask for X-ANONYMOUSTLS, which passes; the STARTTLS of others on port %d ends here, and the servers do not see their certificates", n)
		}
	}
}
