package node

import (
	"net/netip"
	"os"
	"regexp"
	"slices"

	"casbah/internal/maildialogue"
	"casbah/profiles"
	"casbah/protocols/relay"
)

// relay returns what the connections or flows of a VIP that relays find in force.
func (v *builtVIP) relay() *relay.VIP {
	r := &relay.VIP{VIP: v.route}
	switch {
	case v.conf.Type == "ssl_bridge":
		r.Read = relay.ReadHello
	case v.conf.Type == "tcp" && v.route.Profiles[0].Chain.KnowsAssociations():
		r.Read = relay.ReadBind
	}
	switch {
	case v.mapper != nil:
		r.Speaks = v.mapper.Protocol()
	case v.mail != nil:
		r.Speaks = v.mail
		r.Options = maildialogue.Options{Offer: v.conf.StartTLS, Require: v.conf.RequireTLS}
	}
	return r
}

// speaks finds out whether the VIP speaks mail that is to be followed: not where
// clients begin with TLS that casbah passes on, and servers are asked for nothing.
func (v *builtVIP) speaks(all map[string]*profiles.Profile, pool *profiles.Pool) {
	conf := v.conf
	inClear := slices.ContainsFunc(conf.Listen, func(a netip.AddrPort) bool { return !profiles.TLSPort(int(a.Port())) })
	if conf.Type != "tls" && (conf.Type != "tcp" || !conf.StartTLS && !inClear && pool.UpstreamTLS != "starttls") {
		return
	}
	switch profiles.MailProtocol(all[conf.Profiles[0]]) {
	case "imap4":
		v.mail = relay.IMAP4()
	case "pop3":
		v.mail = relay.POP3()
	case "smtp":
		v.mail = relay.SMTP(ownName())
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// ownName is how casbah names itself to servers of mail: by the host's name, or
// else by one that nobody has (RFC 6761, Section 6.4).
func ownName() string {
	if name, err := os.Hostname(); err == nil && nameForm.MatchString(name) {
		return name
	}
	return "casbah.invalid"
}
