package maildialogue

import "bytes"

// Lengths of lines, in octets with their end.
const (
	// MostLine is longer than any line that RFC 1939, Section 3 (512), RFC 2449,
	// Section 4 (255) and RFC 5321, Section 4.5.3.1 (512) allow.
	MostLine = 8 << 10
	// MostToken is the longest line of an authentication exchange: a Kerberos
	// token of Windows has up to 48000 octets, 64000 in base64. RFC 4954,
	// Section 4 asks for 12288.
	MostToken = 64 << 10
)

// Bounds of a list of capabilities.
const (
	MostLines        = 1000
	MostCapabilities = 10000
)

// Lines finds the lines of octets that are offered again until they are used.
// It remembers where it has looked, so that a line in small pieces is read once.
type Lines struct{ seen int32 }

// Next returns the first line of p with its end; nil: there is more to come.
// Long tells that it is longer than most.
func (l *Lines) Next(p []byte, most int) (line []byte, long bool) {
	from := int(l.seen)
	if from > len(p) {
		from = 0
	}
	i := bytes.IndexByte(p[from:], '\n')
	if i < 0 {
		l.seen = int32(len(p))
		return nil, len(p) >= most
	}
	l.seen = 0
	line = p[:from+i+1]
	return line, len(line) > most
}

// BareEnd is the mistake of a client whose line is not clean.
const BareEnd = "CR or LF alone in a command line"

// Clean returns a line without its CRLF. A CR or LF elsewhere is not clean: a
// server may end the line there, and what follows is a second command to it.
func Clean(line []byte) (text []byte, ok bool) {
	i := bytes.IndexByte(line, '\r')
	if i < 0 || i != len(line)-2 {
		return nil, false
	}
	return line[:i], true
}

// Text returns a line without its end, CRLF or LF.
func Text(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
