package maildialogue

// Phase says what is expected of the client.
type Phase uint8

// The phases of a session.
const (
	Command   Phase = iota // a line that begins a command
	More                   // a line that belongs to a command behind a literal
	Refused                // the same, of a command that was refused
	Awaits                 // nothing, before the server has answered
	Answers                // a line that answers the server within a command
	Message                // a message that ends with a dot
	Handshake              // TLS is being set up
	Blind                  // unknown: both directions pass unread
	Over                   // nothing: the session was ended
)

// State is the part of a dialogue that is the same for all three protocols.
type State struct {
	opts       Options
	client     Lines
	server     Lines
	injections uint32
	Phase      Phase
	Greeted    bool // the server's greeting has passed
	Left       bool // the server has taken leave
	held       bool // FromClient left octets that wait for the server
}

// NewState returns the state of a session that begins.
func NewState(o Options) State { return State{opts: o} }

// Edits reports whether lists are rewritten and commands examined.
func (s *State) Edits() bool { return s.opts.Offer }

// Plain reports whether TLS is to be offered and passwords are to be refused.
func (s *State) Plain() bool { return s.opts.Offer && !s.opts.Secure }

// Requires reports whether TLS has to begin before anything else.
func (s *State) Requires() bool { return s.Plain() && s.opts.Require }

// Secure reports whether the client leg is encrypted.
func (s *State) Secure() bool { return s.opts.Secure }

// ServerSecure reports whether the server leg is encrypted.
func (s *State) ServerSecure() bool { return s.opts.ServerSecure }

// Secured tells that TLS is up on the client leg. Dropped counts the octets that
// the client had sent behind its command and that were discarded: what looks
// like commands there was put in by somebody on the way (CVE-2011-0411), and is
// counted as one attempt.
func (s *State) Secured(dropped int) {
	s.opts.Secure = true
	s.client = Lines{}
	if s.Phase == Handshake {
		s.Phase = Command
	}
	if dropped > 0 {
		s.injections++
	}
}

// Injections returns how often octets stood behind STARTTLS.
func (s *State) Injections() uint32 { return s.injections }

// ClientLine returns the first line of p with its end; nil: there is more to come.
func (s *State) ClientLine(p []byte, most int) (line []byte, long bool) {
	return s.client.Next(p, most)
}

// ServerLine is ClientLine for the server.
func (s *State) ServerLine(p []byte, most int) (line []byte, long bool) {
	return s.server.Next(p, most)
}

// ServerLinePasses tells that what there is of the server's line is going to be
// used before its end has come: the next line is looked for from its beginning.
func (s *State) ServerLinePasses() { s.server = Lines{} }

// Hold leaves the client's octets for later.
func (s *State) Hold(e *Effect) {
	s.held = true
	e.HoldClient = true
}

// Resume lets what was held go on, unless an answer is still to come.
func (s *State) Resume(e *Effect) {
	if s.Phase == Awaits {
		return
	}
	e.ResumeClient = e.ResumeClient || s.held
	s.held = false
}

// Deaf reports whether nothing is looked at: it passes unread, or not at all.
func (s *State) Deaf() bool { return s.Phase >= Handshake }

// Run has step take p piece by piece, until there is no whole piece, or the
// effect is to be carried out first. Pass is that of the side that p is of.
func (s *State) Run(p []byte, e *Effect, pass *int64, step func([]byte, *Effect) (int, error)) (used int, err error) {
	for used < len(p) && err == nil && !s.Deaf() && !e.Stops() {
		var n int
		if n, err = step(p[used:], e); n == 0 {
			break
		}
		used += n
	}
	if s.Phase == Blind {
		*pass = -1
	}
	return used, err
}

// Lose gives the framing up: from here on all octets pass unread, both ways.
func (s *State) Lose(e *Effect) {
	s.Phase = Blind
	s.Resume(e)
	e.PassClient, e.PassServer = -1, -1
}

// Goodbye appends a farewell to dst and ends the session, where it may stand.
func (s *State) Goodbye(dst []byte, farewell string, may bool) (out []byte, ok bool) {
	if !may {
		return dst, false
	}
	s.Phase = Over
	return append(dst, farewell...), true
}

// Fail ends the session by a mistake of a peer. Where nothing is edited the
// peers settle it among themselves: the octets pass, unread from here on. The
// client is told the mistake behind the farewell, where that may stand.
func (s *State) Fail(e *Effect, cause *ProtocolError, farewell string, may bool) error {
	if !s.Edits() {
		s.Lose(e)
		return nil
	}
	s.Phase = Over
	if may {
		e.ToClient = append(append(append(e.ToClient, farewell...), cause.Text...), "\r\n"...)
	}
	return cause
}
