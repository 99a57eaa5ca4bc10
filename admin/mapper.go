package admin

import (
	"time"

	"casbah/node"
)

// Mapper is what becomes of the answers of endpoint mappers, in Status.
type Mapper struct {
	Mode    string            `json:"mode"`    // pass or rewrite; of pass nothing is counted
	Gives   []Given           `json:"gives"`   // what clients are told
	Answers uint64            `json:"answers"` // of the servers' mappers
	Given   uint64            `json:"given"`   // of those, with a port of casbah's
	Left    map[string]uint64 `json:"left"`    // of those, passed on as they came, by cause
}

// Given is what clients of an endpoint mapper are told, in Status.
type Given struct {
	Listen    string `json:"listen"` // address of the mapper's VIP, as configured
	Interface string `json:"interface"`
	VIP       string `json:"vip"`
	Port      int    `json:"port"`
}

// Learned is a dynamic port of a server, in Status.
type Learned struct {
	Profile   string    `json:"profile"`
	Interface string    `json:"interface"`
	Port      int       `json:"port"` // 0: the server's endpoint mapper knows none
	Since     time.Time `json:"since,omitzero"`
	Error     string    `json:"error,omitempty"` // of the last question to the mapper
}

func mapperOf(m *node.MapperStatus) *Mapper {
	if m == nil {
		return nil
	}
	out := &Mapper{Mode: m.Mode, Gives: make([]Given, 0, len(m.Gives)), Answers: m.Answers, Given: m.Given, Left: counts(m.Left)}
	for _, g := range m.Gives {
		out.Gives = append(out.Gives, Given{g.Listen, g.Interface, g.VIP, g.Port})
	}
	return out
}

func learnedOf(all []node.LearnedStatus) []Learned {
	var out []Learned
	for _, l := range all {
		out = append(out, Learned(l))
	}
	return out
}
