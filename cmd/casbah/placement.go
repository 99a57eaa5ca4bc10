package main

import (
	"fmt"
	"io"

	"casbah/admin"
	"casbah/health/page"
)

// printPlacement writes what is known of where the mailboxes of a pool are.
func printPlacement(out io.Writer, p *admin.Pool) {
	if s := p.Placement; s != nil {
		words := (&page.Placement{Told: s.Told, Crossed: s.Crossed, Unknown: s.Unknown}).Line()
		if s.Mode == "prefer" {
			words += "; " + count(int(s.Preferred), "client") + " brought to theirs"
		}
		paragraph(out, "  mailboxes", labelWidth, words)
	}
}

// printIdentities writes of requests that were stopped before somebody else's
// connection.
func printIdentities(out io.Writer, v *admin.VIP) {
	if n := v.Identity.Faults; n > 0 {
		paragraph(out, "  faults", labelWidth, fmt.Sprintf("%s about to leave on another client's connection; nothing was sent. Report it: the log has more", count(int(n), "request")))
	}
}
