package profiles

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// hostForm is a host name in ASCII (RFC 1123, Section 2.1); servers of Windows
// networks may have an underscore. The last label is not a number, so that a
// mistyped address is not taken for a name.
var hostForm = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)

func isHostname(s string) bool { return len(s) <= 253 && hostForm.MatchString(s) }

// isHost reports whether s is a host name or an address.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || isHostname(s)
}

// isServable reports whether clients can ask for s: a host name without the dot of
// the root, or an address.
func isServable(s string) bool { return isHost(s) && !strings.HasSuffix(s, ".") }

// HostPort splits the server's address; port is 0 if it names none.
func (s *Server) HostPort() (host string, port int) {
	host, port, _ = splitHost(s.Address)
	return host, port
}

// splitHost reads a host name or address with or without a port. An IPv6
// address with a port stands in brackets.
func splitHost(s string) (host string, port int, ok bool) {
	if isHost(s) {
		return s, 0, true
	}
	if bracketed, found := strings.CutPrefix(s, "["); found && strings.HasSuffix(bracketed, "]") {
		host = strings.TrimSuffix(bracketed, "]")
		return host, 0, isHost(host)
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil && 1 <= port && port <= 65535 && isHost(host)
}

// under reports whether host is domain or a name below it.
func under(host, domain string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}
