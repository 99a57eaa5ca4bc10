package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Question is a request, a connection of a tcp VIP or a flow of a udp VIP, that nobody has made. An
// explanation says where it would go. It may hold credentials: no part of its
// headers, nor of the query, is shown or kept.
type Question struct {
	Method  string   `json:"method"`  // empty: GET, or a connection or flow where the URL is one of tcp or udp
	URL     string   `json:"url"`     // http://, https://, tcp:// or udp://, or a path alone
	From    string   `json:"from"`    // address of the client; empty: not known
	Headers []string `json:"headers"` // each "Name: value"
	VIP     string   `json:"vip"`     // empty: the one that the URL fits best
}

// errQuestion is what is wrong with a question: key is the part.
func errQuestion(key, format string, args ...any) error {
	return fmt.Errorf(key+": want "+format, args...)
}

// asked is a question taken apart.
type asked struct {
	method  string
	scheme  string // http, https, tcp or udp; empty: the URL is a path alone
	host    string // of the URL, as it stands there
	addr    netip.Addr
	port    uint16 // 0: not known
	target  string // path and query
	from    netip.Addr
	headers []string
}

// relayed reports whether a connection or flow is asked about, not a request.
func (a *asked) relayed() bool { return a.scheme == "tcp" || a.scheme == "udp" }

// name returns the host of the URL as VIPs have it; empty: it is an address.
func (a *asked) name() string {
	if a.addr.IsValid() {
		return ""
	}
	name, _, _ := strings.Cut(a.host, ":")
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// path returns the target without the query.
func (a *asked) path() string {
	path, _, _ := strings.Cut(a.target, "?")
	return path
}

// Check reports what is wrong with the question, and never quotes what may be
// secret in it.
func (q *Question) Check() error {
	_, err := q.parse()
	return err
}

func (q *Question) parse() (*asked, error) {
	a := &asked{method: q.Method, headers: q.Headers}
	if q.From != "" {
		var err error
		if a.from, err = netip.ParseAddr(q.From); err != nil || a.from.Zone() != "" {
			return nil, errQuestion("from", "an address such as 192.0.2.7, got %q", q.From)
		}
	}
	if err := a.takeURL(q.URL); err != nil {
		return nil, err
	}
	switch {
	case a.relayed() && q.Method != "":
		return nil, errQuestion("method", "none with %s://, got %q", a.scheme, q.Method)
	case a.relayed() && len(q.Headers) > 0:
		return nil, errQuestion("headers", "none with %s://", a.scheme)
	case !a.relayed() && q.Method == "":
		a.method = "GET"
	case !a.relayed() && !isToken(q.Method):
		return nil, errQuestion("method", "a method such as GET, got %q", q.Method)
	}
	for i, line := range q.Headers {
		if err := checkHeader(line); err != nil {
			return nil, fmt.Errorf("header %d: %w", i+1, err)
		}
	}
	return a, nil
}

// takeURL takes the URL apart. The path stays as it is written: casbah judges it
// as it comes.
func (a *asked) takeURL(url string) error {
	const want = "http://HOST/PATH, https://HOST/PATH, tcp://ADDRESS:PORT, udp://ADDRESS:PORT or a /PATH"
	if strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errQuestion("url", "no space or control character; percent-encode it")
	}
	url, _, _ = strings.Cut(url, "#")
	if strings.HasPrefix(url, "/") {
		a.target = url
		return nil
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if a.scheme = strings.ToLower(scheme); !ok || a.scheme != "http" && a.scheme != "https" && !a.relayed() {
		return errQuestion("url", "%s", want)
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	a.host, a.target = rest[:end], rest[end:]
	if strings.Contains(a.host, "@") {
		return errQuestion("url", "no user or password; credentials go into a header")
	}
	if !strings.HasPrefix(a.target, "/") {
		a.target = "/" + a.target
	}
	return a.takeHost()
}

// takeHost takes the host of the URL apart, and its port.
func (a *asked) takeHost() error {
	name, port, err := net.SplitHostPort(a.host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(a.host, "["), "]"), map[string]string{"http": "80", "https": "443"}[a.scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case name == "":
		return errQuestion("url", "a host, got none")
	case port == "":
		return errQuestion("url", "a port with %s://, as in tcp://192.0.2.10:135", a.scheme)
	case err != nil || n == 0:
		return errQuestion("url", "a port from 1 to 65535, got %q", port)
	case a.relayed() && a.target != "/":
		return errQuestion("url", "no path with %s://, got %q", a.scheme, a.path())
	}
	a.port = uint16(n)
	if addr, err := netip.ParseAddr(name); err == nil {
		a.addr = addr.Unmap()
	}
	return nil
}

// checkHeader refuses what is no header line, without quoting it.
func checkHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return errors.New(`want "Name: value", got a text without a colon`)
	case !isToken(name):
		return errors.New(`want "Name: value", got a name that is none of letters, digits and hyphens`)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("%s: want a value without line ends and control characters", name)
	}
	return nil
}

// isToken reports whether s is a token (RFC 9110, Section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// head returns the request's head as a client would send it, with that Host
// unless a header names one.
func (a *asked) head(host string) []byte {
	var lines strings.Builder
	for _, h := range a.headers {
		name, value, _ := strings.Cut(h, ":")
		if strings.EqualFold(name, "host") {
			host = ""
		}
		lines.WriteString(name + ": " + strings.TrimSpace(value) + "\r\n")
	}
	if host != "" {
		host = "Host: " + host + "\r\n"
	}
	return []byte(a.method + " " + a.target + " HTTP/1.1\r\n" + host + lines.String() + "\r\n")
}
