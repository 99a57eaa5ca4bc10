package httphead

import "bytes"

// Parse reads head, which ends with its empty line. The request points into
// head until it is parsed again. An error is an *Error.
func (r *Request) Parse(head []byte) error {
	*r = Request{Raw: head, Fields: r.Fields[:0]}
	end, err := lineEnd(head, 0)
	if err != nil {
		return err
	}
	if err := r.parseLine(head[:end]); err != nil {
		return err
	}
	if r.Fields, err = parseFields(r.Fields, head[end+2:]); err != nil {
		return err
	}
	return r.findHost()
}

// parseLine reads the request line: exactly two spaces, no other white space
// (RFC 9112, Section 3).
func (r *Request) parseLine(line []byte) error {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 || !all(line[:sp], inToken) {
		return errMethod
	}
	r.Method, line = line[:sp], line[sp+1:]
	sp = bytes.IndexByte(line, ' ')
	if sp < 0 {
		return errNoVersion
	}
	r.Target, line = line[:sp], line[sp+1:]
	var err error
	if r.Minor, err = version(line); err != nil {
		return err
	}
	return r.splitTarget()
}

// version reads an HTTP version and returns its minor number.
func version(b []byte) (byte, error) {
	switch {
	case string(b) == "HTTP/1.1":
		return 1, nil
	case string(b) == "HTTP/1.0":
		return 0, nil
	case len(b) == 8 && string(b[:5]) == "HTTP/" && isDigit(b[5]) && b[6] == '.' && isDigit(b[7]):
		return 0, errVersion
	default:
		return 0, errNoVersion
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// splitTarget tells the forms of a request target apart (RFC 9112, Section
// 3.2). The authority form belongs to CONNECT, which no server of ours takes.
func (r *Request) splitTarget() error {
	t := r.Target
	if len(t) == 0 || !all(t, inTarget) {
		return errTarget
	}
	switch {
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*' && string(r.Method) == "OPTIONS":
		r.Path = t
		return nil
	default:
		n := schemeLength(t)
		if n == 0 {
			return errTarget
		}
		t = t[n:]
		end := bytes.IndexAny(t, "/?")
		if end < 0 {
			end = len(t)
		}
		r.Authority, t = t[:end], t[end:]
		if !validHost(r.Authority) {
			return errTarget
		}
	}
	r.Path = t
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		r.Path, r.Query = t[:q], t[q+1:]
	}
	if len(r.Path) == 0 {
		r.Path = slash
	}
	return nil
}

// slash is the path of an absolute target that has none (RFC 9110, Section 4.2.3).
var slash = []byte("/")

// schemeLength returns the length of "http://" or "https://" before t, or 0.
func schemeLength(t []byte) int {
	for _, s := range [...]string{"http://", "https://"} {
		if len(t) > len(s) && EqualFold(t[:len(s)], s) {
			return len(s)
		}
	}
	return 0
}

// findHost demands one Host of a well-formed value, which only HTTP/1.0 may
// leave out, and the same host in an absolute target: whoever reads the other
// of the two would route the request elsewhere.
func (r *Request) findHost() error {
	seen := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if len(f.Name) != 4 || !EqualFold(f.Name, "host") {
			continue
		}
		if seen {
			return errHosts
		}
		seen = true
		if !validHost(f.Value) {
			return errHost
		}
		r.Host = f.Value
	}
	if !seen && r.Minor > 0 {
		return errNoHost
	}
	if r.Authority != nil && seen && !bytes.EqualFold(r.Authority, r.Host) {
		return errAuthority
	}
	return nil
}

// validHost takes a name, an IPv4 address or an IPv6 literal in brackets, each
// with or without a port. It is narrower than RFC 3986, Section 3.2.2: no user,
// no percent-encoding and no sub-delimiters, which no host of a VIP has.
func validHost(h []byte) bool {
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		return end > 2 && all(h[1:end], inIPv6) && validPort(h[end+1:])
	}
	end := 0
	for end < len(h) && class[h[end]]&inHost != 0 {
		end++
	}
	return end > 0 && validPort(h[end:])
}

// validPort takes nothing, or a colon and up to five digits.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > 6 {
		return false
	}
	for _, c := range b[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// Value returns the value of the first field of that name, which is given in
// lower case and compared without case.
func (r *Request) Value(name string) ([]byte, bool) { return value(r.Fields, name) }
