package h2

import (
	"bytes"
	"net/http"
	"net/textproto"
)

// chunksState is what a chunked body must go on with.
type chunksState uint8

const (
	chunksSize chunksState = iota // the line of a size
	chunksData
	chunksEnd // the line end behind the data
	chunksTrailer
	chunksOver
)

// maxLine is the longest line of framing or of a trailer. The core takes shorter
// ones alone.
const maxLine = 16 << 10

// dechunker takes the chunked coding off a body, whose framing the core has
// checked.
type dechunker struct {
	state chunksState
	left  uint64 // octets of this chunk
	line  []byte // as far as it has come
}

// take writes what data begins with to w, and returns how many octets of p it has
// taken. Trailers become those of w.
func (d *dechunker) take(p []byte, w http.ResponseWriter) (int, error) {
	if d.state == chunksData {
		n := int(min(d.left, uint64(len(p))))
		if d.left -= uint64(n); d.left == 0 {
			d.state = chunksEnd
		}
		_, err := w.Write(p[:n])
		return n, err
	}
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		n = len(p)
	}
	d.line = append(d.line, p[:n]...)
	line, ok := bytes.CutSuffix(d.line, []byte("\r\n"))
	if !ok {
		if len(d.line) > maxLine || p[n-1] == '\n' {
			return n, errAnswer
		}
		return n, nil
	}
	err := d.takeLine(line, w.Header())
	d.line = d.line[:0]
	return n, err
}

// takeLine takes a line of the framing, or a trailer.
func (d *dechunker) takeLine(line []byte, h http.Header) error {
	switch d.state {
	case chunksSize:
		n, ok := chunkSize(line)
		if !ok {
			return errAnswer
		}
		if d.left, d.state = n, chunksData; n == 0 {
			d.state = chunksTrailer
		}
	case chunksEnd:
		if len(line) > 0 {
			return errAnswer
		}
		d.state = chunksSize
	default:
		if len(line) == 0 {
			d.state = chunksOver
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return errAnswer
		}
		key := http.TrailerPrefix + textproto.CanonicalMIMEHeaderKey(string(name))
		h[key] = append(h[key], string(bytes.Trim(value, " \t")))
	}
	return nil
}

// chunkSize reads the line of a size, of which extensions are dropped.
func chunkSize(line []byte) (n uint64, ok bool) {
	digits := 0
	for ; digits < len(line); digits++ {
		c := line[digits]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return n, digits > 0 && (c == ';' || c == ' ' || c == '\t')
		}
		if n>>59 != 0 {
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, digits > 0
}
