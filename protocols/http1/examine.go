package http1

import (
	"net/netip"

	"casbah/internal/httphead"
	"casbah/route"
)

// Peers are the two ends of a client connection, as far as they matter for where
// its requests go. An address that is not known is the zero one.
type Peers struct {
	Remote, Local netip.Addr
	Secure        bool // the client speaks TLS
}

// Admission is what becomes of a request before a server is chosen for it.
type Admission struct {
	Profile *route.Profile // nil if none was found
	Request route.Request  // what decides, of a head that is one; it points into it
	Status  int            // of casbah's own answer; 0: a server is chosen
	Cause   route.Cause    // of that answer, unless it is a redirect
	Rule    route.Rule     // by which the request is refused, for CauseShield
	Err     error          // what is wrong with a head that is not one
	Pins    bool           // the request ties its connection to the server
}

// Examine tells what a connection with these ends would make of a request with
// that head. It sends and counts nothing: it is for explanations.
func Examine(vip *route.VIP, head []byte, p Peers) Admission {
	x := &exchange{vip: vip}
	n, err := httphead.End(head[:min(len(head), vip.HeadBytes)], 0)
	switch {
	case err != nil:
		return Admission{Status: headStatus(err), Cause: route.CauseHead, Err: err}
	case n == 0:
		return Admission{Status: 431, Cause: route.CauseHead}
	}
	if err := x.req.Parse(head[:n]); err != nil {
		return Admission{Status: headStatus(err), Cause: route.CauseHead, Err: err}
	}
	status, cause := x.admit()
	if x.parsed {
		x.source(p.Remote, p.Local, p.Secure)
	}
	if status == 0 && vip.Shield != nil && vip.Shield.Refuse {
		if rule := vip.Suspect(&x.req, x.rq.Source); rule != 0 {
			return Admission{Profile: x.profile, Request: x.rq, Status: route.RuleStatus(rule), Cause: route.CauseShield, Rule: rule}
		}
	}
	return Admission{Profile: x.profile, Request: x.rq, Status: status, Cause: cause, Pins: x.credential}
}
