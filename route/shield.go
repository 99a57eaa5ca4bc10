package route

import (
	"net/netip"

	"casbah/internal/httphead"
	"casbah/internal/shield"
)

// Rule is what a request looks like an attack by; the zero value is none.
type Rule = shield.Rule

// Shield is what a VIP does about requests that look like attacks on Exchange.
type Shield struct {
	Refuse bool           // else they are only counted and recorded
	Admins []netip.Prefix // where administrators are; empty: anywhere
}

// Suspect returns the rule that a request from source meets, none without a shield.
func (v *VIP) Suspect(head *httphead.Request, source netip.Addr) Rule {
	if v.Shield == nil {
		return shield.None
	}
	return shield.Check(head, v.Shield.stranger(source))
}

// stranger reports whether source is outside the networks of administrators.
func (s *Shield) stranger(source netip.Addr) bool {
	for _, p := range s.Admins {
		if p.Contains(source) {
			return false
		}
	}
	return len(s.Admins) > 0
}

// RuleStatus is the status of the answer to a request that is refused by a rule.
// Who is not meant to find administration does not.
func RuleStatus(r Rule) int {
	if r == shield.AdminNetwork {
		return 404
	}
	return 400
}
