package main

import (
	"fmt"
	"strings"

	"casbah/admin"
)

// placesWords says of a server that it is a backup, and how full it is; empty
// where there is nothing to say.
func placesWords(s *admin.Server) string {
	var words []string
	if s.Backup {
		words = append(words, "backup")
	}
	if p := s.Places; p != nil {
		if p.Limit > 0 {
			words = append(words, fmt.Sprintf("%d of %d places taken", s.Active, p.Limit))
		}
		if p.Waiting > 0 {
			words = append(words, fmt.Sprintf("%d waiting", p.Waiting))
		}
		if p.Served > 0 {
			words = append(words, fmt.Sprintf("%d waited %s on average", p.Served, brief(seconds(p.Waited/float64(p.Served)))))
		}
		if n := p.Full + p.TimedOut; n > 0 {
			words = append(words, fmt.Sprintf("%d turned away", n))
		}
	}
	return strings.Join(words, ", ")
}
