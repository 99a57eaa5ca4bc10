package page

import (
	"fmt"
	"strings"
	"time"
)

// Decision is where a client's request went, and why.
type Decision struct {
	At             time.Time
	VIP, Profile   string
	Client, Server string // Server is empty where none was chosen
	Why            string // as in the access record
	Text           string // in a sentence
	Steps          []Step
}

// Step is what one step of the chain came to.
type Step struct{ Name, Found, Server string }

// maxDecisions is how many decisions are shown.
const maxDecisions = 10

// Line is the steps in order.
func (d *Decision) Line() string {
	var parts []string
	for _, s := range d.Steps {
		part := fmt.Sprintf("%s: %s", s.Name, s.Found)
		if s.Server != "" {
			part += ", " + s.Server
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
