package maildialogue

// Replies are what a relay answers to the command that begins TLS.
type Replies struct {
	Begin       string
	NoArguments string
	Already     string // TLS is up
	TooLate     string // the client has logged in
}

// StartTLS returns the answer to that command: Begin, or why TLS does not begin.
func (r *Replies) StartTLS(s *State, loggedIn, arguments bool) string {
	switch {
	case s.Secure():
		return r.Already
	case loggedIn:
		return r.TooLate
	case arguments:
		return r.NoArguments
	}
	return r.Begin
}

// Handshake has TLS begin on the client leg.
func (s *State) Handshake(e *Effect) {
	s.Phase = Handshake
	e.StartTLS = true
}
