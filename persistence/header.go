package persistence

import "strings"

// headerStep is step header.
type headerStep struct {
	name string // in lower case
	auth bool   // Authorization: the value is reduced to the user
}

func newHeaderStep(s Step) headerStep {
	name := strings.ToLower(s.Name)
	return headerStep{name: name, auth: name == "authorization"}
}

// readHeader reads the first header field of the step's name.
func (k *walker) readHeader(s *step) {
	value, ok := k.request.Head.Value(s.header.name)
	if !ok || len(value) == 0 {
		k.none(Absent)
		return
	}
	h := s.seed
	if s.header.auth {
		var room [maxIdentity]byte
		user, ok := appendUser(room[:0], value)
		if !ok {
			k.none(Unreadable)
			return
		}
		h.write(user)
	} else {
		h.write(value)
	}
	k.key(s.keyOf(h))
}
