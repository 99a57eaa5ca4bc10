package route

import (
	"slices"
	"strings"

	"casbah/internal/httphead"
)

// Verdict is what routing makes of a host and path.
type Verdict uint8

// The verdicts of Match.
const (
	Found       Verdict = iota // the profile serves it
	NotFound                   // no profile: 404
	Misdirected                // not a host of this VIP: 421
	Root                       // "/" alone: redirected to RootRedirect
)

// Match finds the profile with the longest path prefix that ends at a path
// boundary. Host is the value of the Host header, with or without a port; path
// is the path as it will be forwarded. Letters compare without case, and a
// percent-encoded octet compares as the octet that it stands for, since that is
// what the server will see.
func (v *VIP) Match(host, path []byte) (*Profile, Verdict) {
	if !v.Serves(host) {
		return nil, Misdirected
	}
	var best *Profile
	longest := -1
	for _, p := range v.Profiles {
		for _, prefix := range p.Paths {
			if len(prefix) > longest && hasPathPrefix(path, prefix) {
				best, longest = p, len(prefix)
			}
		}
	}
	if len(path) == 1 && path[0] == '/' && v.RootRedirect != "" && longest < 1 {
		return nil, Root
	}
	if best == nil {
		return nil, NotFound
	}
	return best, Found
}

// Serves reports whether host, with or without a port, is one of the VIP's.
func (v *VIP) Serves(host []byte) bool {
	if len(v.Hosts) == 0 {
		return true
	}
	name := hostname(host)
	for _, h := range v.Hosts {
		if httphead.EqualFold(name, h) {
			return true
		}
	}
	return false
}

// hostname cuts the port and one trailing dot from a Host value.
func hostname(host []byte) []byte {
	for i, c := range slices.Backward(host) {
		if c == ':' {
			host = host[:i]
			break
		}
		if c < '0' || c > '9' {
			break
		}
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host
}

// hasPathPrefix reports whether prefix, in lower case and without a trailing
// slash unless it is "/" alone, begins path and ends at a path boundary.
func hasPathPrefix(path []byte, prefix string) bool {
	if prefix == "/" {
		return len(path) > 0 && path[0] == '/'
	}
	i := 0
	for j := 0; j < len(prefix); j++ {
		c, n := octet(path[i:])
		if n == 0 || lowerByte(c) != prefix[j] {
			return false
		}
		i += n
	}
	return i == len(path) || path[i] == '/'
}

// octet returns the octet that the path b begins with, decoded, and how long
// it stands in the path; 0 at the end.
func octet(b []byte) (c byte, n int) {
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] == '%' && len(b) >= 3 && isHex(b[1]) && isHex(b[2]):
		return unhex(b[1])<<4 | unhex(b[2]), 3
	default:
		return b[0], 1
	}
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
