package health

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// healthFile is the page by which Exchange 2013 and later tell a balancer whether
// a directory is to be given clients.
const healthFile = "healthcheck.htm"

// healthPage returns the directory whose health page path is; false: it is none.
func healthPage(path string) (directory string, ok bool) {
	path, _, _ = strings.Cut(path, "?")
	i := strings.LastIndexByte(path, '/')
	if i <= 0 || !strings.EqualFold(path[i+1:], healthFile) {
		return "", false
	}
	return path[:i+1], true
}

// IsHealthPage reports whether path is the health page of a directory.
func IsHealthPage(path string) bool {
	_, ok := healthPage(path)
	return ok
}

// declines reports whether a server has said no, or nothing, in the way of one
// that took the page back: with 503, or by closing a connection that it took.
func declines(err error) bool {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.code == http.StatusServiceUnavailable
	}
	at, ok := errors.AsType[*stepError](err)
	return ok && at.name == stepAnswer && CauseOf(err) == Closed
}

// lives reports whether the directory itself is answered by a server that works:
// a login is asked for, or the way to it is shown.
func (p *HTTPProbe) lives(ctx context.Context, directory string) bool {
	q := HTTPProbe{Endpoint: p.Endpoint, Path: directory, Host: p.Host, Expect: []int{
		http.StatusOK, http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect,
		http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
	}}
	return q.ask(ctx) == nil
}

// maxNamed is how much of a health page is looked at for the server's name, in
// octets.
const maxNamed = 4 << 10

// named wants the name of the server that the page tells to be the right one. A
// page without a name tells nothing.
func (p *HTTPProbe) named(ctx context.Context, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxNamed))
	got := pageName(string(text))
	switch {
	case got != "" && !strings.EqualFold(got, p.FQDN):
		return &MisroutedError{Want: p.FQDN, Got: got}
	case got == "" && err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return step(ctx, "body", err)
	default:
		return nil
	}
}

// pageName returns the server's name on its health page, which stands behind
// "200 OK" on a line of its own, as HTML has lines; empty: there is none.
func pageName(page string) string {
	_, rest, ok := strings.Cut(page, "200 OK")
	if !ok {
		return ""
	}
	for rest != "" {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if strings.HasPrefix(rest, "<") {
			if _, rest, ok = strings.Cut(rest, ">"); !ok {
				return ""
			}
			continue
		}
		end := strings.IndexFunc(rest, func(c rune) bool { return !nameRune(c) })
		if end < 0 {
			end = len(rest)
		}
		if end > 253 { // RFC 1035, Section 2.3.4, as text
			return ""
		}
		return strings.Trim(rest[:end], ".")
	}
	return ""
}

func nameRune(c rune) bool {
	return c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
