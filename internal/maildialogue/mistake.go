package maildialogue

// Protocol is the name of one, as its mistakes show it.
type Protocol string

// Client returns a mistake of the client.
func (p Protocol) Client(text string) *ProtocolError {
	return &ProtocolError{Protocol: string(p), Text: text}
}

// Server returns a mistake of the server.
func (p Protocol) Server(text string) *ProtocolError {
	return &ProtocolError{Protocol: string(p), Server: true, Text: text}
}

// ProtocolError says what a peer did that ends the session. Its text names no
// octets of the session.
type ProtocolError struct {
	Protocol string
	Server   bool // the server did it, not the client
	Text     string
}

// Error returns protocol, side and text.
func (p *ProtocolError) Error() string {
	side := ": client: "
	if p.Server {
		side = ": server: "
	}
	return p.Protocol + side + p.Text
}
