package page

import (
	"fmt"
	"slices"
	"strings"
)

// Advice is what an administrator should know of Extended Protection on a VIP.
type Advice struct {
	Weight   string // error, warning, notice
	VIP      string
	Profiles []string
	Text     string
}

// protectionFindings tell which Windows logins may fail.
func protectionFindings(v *View) []finding {
	var fs []finding
	for i := range v.Advice {
		a := &v.Advice[i]
		l := note
		switch a.Weight {
		case "error":
			l = bad
		case "warning":
			l = warn
		}
		what := fmt.Sprintf("Extended Protection on VIP %s (%s): %s.", a.VIP, strings.Join(a.Profiles, ", "), a.Text)
		fs = append(fs, finding{Level: l, Text: what})
	}
	return fs
}

// refusesLogins reports whether Windows logins fail for some clients or servers.
func refusesLogins(v *View) bool {
	return slices.ContainsFunc(v.Advice, func(a Advice) bool { return a.Weight != "notice" })
}

// Mark is the shape that goes with the advice.
func (a *Advice) Mark() State {
	switch a.Weight {
	case "error":
		return Down
	case "warning":
		return Drain
	default:
		return Maintenance
	}
}
