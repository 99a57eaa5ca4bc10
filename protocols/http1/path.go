package http1

import "bytes"

// plainPath reports whether a server reads path exactly as casbah routes it. A
// dot segment, a separator or a control that is written in another way, and
// what is no percent-encoding at all, are read differently by different
// parsers: routed to one directory, served from another. Such a path is refused
// and not normalised.
func plainPath(path []byte) bool {
	if bytes.IndexByte(path, '%') < 0 { // common case
		return bytes.IndexByte(path, '\\') < 0 && (!bytes.Contains(path, slashDot) || !hasDotSegment(path))
	}
	dots, only := 0, false // of this segment: its dots, and whether it holds nothing else
	for i := 0; i < len(path); {
		c, n := decode(path[i:])
		switch {
		case n == 0, n > 1 && (c == '/' || c < 0x20 || c == 0x7f), c == '\\':
			return false
		case c == '/':
			if only && (dots == 1 || dots == 2) {
				return false
			}
			dots, only = 0, true
		case c == '.':
			dots++
		default:
			only = false
		}
		i += n
	}
	return !only || dots != 1 && dots != 2
}

var slashDot = []byte("/.")

// hasDotSegment reports whether a segment of a path without percent-encoding is
// "." or "..".
func hasDotSegment(path []byte) bool {
	for len(path) > 0 {
		path = path[1:] // the slash
		end := bytes.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if s := path[:end]; string(s) == "." || string(s) == ".." {
			return true
		}
		path = path[end:]
	}
	return false
}

// decode returns the octet that b begins with, percent-decoded, and its length
// in b; 0 for a percent sign without two digits, "%u" of Microsoft's among
// them.
func decode(b []byte) (c byte, n int) {
	if b[0] != '%' {
		return b[0], 1
	}
	if len(b) < 3 {
		return 0, 0
	}
	high, low := hexDigit(b[1]), hexDigit(b[2])
	if high < 0 || low < 0 {
		return 0, 0
	}
	return byte(high<<4 | low), 3
}
