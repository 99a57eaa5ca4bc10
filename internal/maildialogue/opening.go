package maildialogue

// Opening is the part of an Upstream that is the same for all three protocols:
// it reads what a server says before TLS, line by line.
type Opening struct {
	Kept []byte // of the greeting, for the client

	protocol Protocol
	lines    Lines
	count    int
	done     bool
}

// NewOpening returns the opening of a connection to a server.
func NewOpening(p Protocol) Opening { return Opening{protocol: p} }

// Greeting returns what the client is to see of the greeting.
func (o *Opening) Greeting() []byte { return o.Kept }

// Follow has take look at each line of p, until it sets StartTLS. It returns how
// many octets are used.
func (o *Opening) Follow(p []byte, e *Effect, take func(line []byte, e *Effect) error) (used int, err error) {
	for used < len(p) && !o.done {
		line, long := o.lines.Next(p[used:], MostLine)
		switch {
		case long:
			return used, o.protocol.Server("line longer than 8192 octets before TLS")
		case line == nil:
			return used, nil
		case o.count == MostLines:
			return used, o.protocol.Server("more than 1000 lines before TLS")
		}
		o.count++
		used += len(line)
		if err = take(line, e); err != nil {
			return used, err
		}
		o.done = e.StartTLS
	}
	if used < len(p) { // what a man in the middle put in would pass for the server's words under TLS
		return used, o.protocol.Server("octets in clear ahead of TLS")
	}
	return used, nil
}
