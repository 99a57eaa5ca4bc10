package page

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Certificate is what a VIP shows to its clients.
type Certificate struct {
	File        string
	Names       []string
	From, Until time.Time
	Algorithm   string // kind and bits
	Level       string // good, notice, warning, critical, expired, not_yet, awaited
	Refused     string // why what stands in the files now is not in force; empty: it is

	Unstapled     bool      // it demands a staple, and has none
	StapleProblem string    // why it has none, or no newer one; empty: nothing is wrong
	IssueProblem  string    // why the ACME server has not given the next one; empty: nothing is wrong
	IssueNext     time.Time // when it is asked again
}

// certificateFindings tell what clients will not accept, or soon not.
func certificateFindings(v *View) []finding {
	var fs []finding
	for i := range v.VIPs {
		for j := range v.VIPs[i].Certificates {
			c := &v.VIPs[i].Certificates[j]
			what := fmt.Sprintf("The certificate of VIP %s for %s", v.VIPs[i].Name, c.named())
			left := c.Until.Sub(v.Now)
			switch c.Level {
			case "expired":
				fs = append(fs, finding{Level: bad, Text: fmt.Sprintf("%s expired %s ago: clients refuse it.", what, span(-left))})
			case "not_yet":
				fs = append(fs, finding{Level: bad, Text: fmt.Sprintf("%s is not valid for another %s: clients refuse it.", what, span(c.From.Sub(v.Now)))})
			case "critical", "warning":
				fs = append(fs, finding{Level: warn, Text: fmt.Sprintf("%s expires in %s.", what, span(left))})
			case "notice":
				fs = append(fs, finding{Level: note, Text: fmt.Sprintf("%s expires in %s.", what, span(left))})
			case "awaited":
				fs = append(fs, finding{Level: bad, Text: what + " has not come yet: clients see another one, or get no connection."})
			}
			fs = append(fs, c.doubts(what, v.Now)...)
			if c.Refused != "" {
				fs = append(fs, finding{Level: warn, Text: fmt.Sprintf("What stands in %s now is refused; VIP %s goes on with what it had.", c.File, v.VIPs[i].Name), Detail: c.Refused})
			}
		}
	}
	return fs
}

// doubts tell what is wrong with the staple of a certificate, and with its renewal.
func (c *Certificate) doubts(what string, now time.Time) []finding {
	var fs []finding
	switch {
	case c.Unstapled:
		fs = append(fs, finding{Level: bad, Text: what + " demands an OCSP staple, and there is none: clients refuse it.", Detail: c.StapleProblem})
	case c.StapleProblem != "":
		fs = append(fs, finding{Level: note, Text: what + " has no new OCSP staple.", Detail: c.StapleProblem})
	}
	if c.IssueProblem != "" {
		text := "The ACME server has not given the next certificate for " + c.named() + "."
		if left := c.IssueNext.Sub(now); left > 0 {
			text = strings.TrimSuffix(text, ".") + "; it is asked again in " + span(left) + "."
		}
		fs = append(fs, finding{Level: warn, Text: text, Detail: c.IssueProblem})
	}
	return fs
}

// refusedByClients reports whether a VIP shows a certificate that is not valid.
func refusedByClients(v *View) bool {
	return slices.ContainsFunc(certificateFindings(v), func(f finding) bool { return f.Level == bad })
}

// mostNames is how many names of a certificate are shown.
const mostNames = 3

// named says whom a certificate is for.
func (c *Certificate) named() string {
	switch n := len(c.Names); {
	case n == 0:
		return "no name"
	case n > mostNames:
		return fmt.Sprintf("%s and %d more", strings.Join(c.Names[:mostNames], ", "), n-mostNames)
	default:
		return strings.Join(c.Names, ", ")
	}
}

// Line is the certificate in a list of facts.
func (c *Certificate) Line() string {
	if c.Level == "awaited" {
		return c.named()
	}
	return fmt.Sprintf("%s, %s, to %s", c.named(), c.Algorithm, c.Until.Format(time.DateOnly))
}

// Mark is the shape that goes with the certificate's state.
func (c *Certificate) Mark() State {
	switch c.Level {
	case "expired", "not_yet", "awaited":
		return Down
	case "critical", "warning":
		return Drain
	case "notice":
		return Maintenance
	default:
		return Up
	}
}

// Word is the certificate's state.
func (c *Certificate) Word() string { return strings.ReplaceAll(c.Level, "_", " ") }

// Left is how long it lasts.
func (c *Certificate) Left(now time.Time) string {
	if c.Level == "awaited" {
		return ""
	}
	if left := c.Until.Sub(now); left > 0 {
		return span(left) + " left"
	}
	return "ended " + span(now.Sub(c.Until)) + " ago"
}
