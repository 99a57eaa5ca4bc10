package persistence

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// refreshAfter is the age at which a cookie with a timeout is issued anew while
// it is used; half the timeout, if that is less. So the timeout is one of
// inactivity, exact to a minute, for at most one Set-Cookie a minute.
const refreshAfter = 60 // seconds

// maxInserted is how many cookies of the name are tried in one request: more
// than one comes where a client holds some for several domains or paths.
const maxInserted = 4

// ownCookie is a cookie that casbah sets itself.
type ownCookie struct {
	sealer *Sealer
	scope  []byte // what its values are sealed for
	name   string
	number uint8  // of the cookie in its chain, from 1
	before string // of the Set-Cookie line, up to the value
	after  string // the attributes that do not change, and the end of the line
}

// insertStep is step insert_cookie.
type insertStep struct {
	ownCookie
	timeout   uint32 // seconds; 0: a session cookie
	version   int
	netscaler bool // the value is an address and port, not sealed
}

func newInsertStep(cfg *Config, in Insert) (*insertStep, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	own, err := newOwnCookie(cfg, cfg.Scope, in)
	return &insertStep{
		ownCookie: own, version: in.Version, netscaler: in.Netscaler,
		timeout: uint32((in.Timeout + time.Second - 1) / time.Second),
	}, err
}

// newOwnCookie returns the cookie that in describes, sealed for scope.
func newOwnCookie(cfg *Config, scope string, in Insert) (ownCookie, error) {
	if cfg.Sealer == nil {
		return ownCookie{}, errors.New("want a sealer")
	}
	for _, m := range cfg.Members {
		if len(m.Name) > maxServerName {
			return ownCookie{}, fmt.Errorf("server %s: want a name of at most %d octets", m.Name, maxServerName)
		}
	}
	return ownCookie{
		sealer: cfg.Sealer, scope: []byte(scope), name: in.Name,
		before: "Set-Cookie: " + in.Name + "=",
		after:  in.attributes() + "\r\n",
	}, nil
}

// check refuses what would break the header line or what no client accepts.
func (in *Insert) check() error {
	switch {
	case !isToken(in.Name):
		return fmt.Errorf("name: want letters, digits, dot, - and _, got %q", in.Name)
	case in.Version != 0 && in.Version != 1:
		return fmt.Errorf("version: want 0 or 1, got %d", in.Version)
	case in.Timeout < 0 || in.Timeout > 0 && in.Timeout < time.Second:
		return fmt.Errorf("timeout: want 0 or at least 1s, got %v", in.Timeout)
	case in.Path[0] != '/' || strings.ContainsFunc(in.Path, breaksAttribute):
		return fmt.Errorf("path: want a path from /, got %q", in.Path)
	case strings.ContainsFunc(in.Domain, breaksAttribute):
		return fmt.Errorf("domain: want a host name, got %q", in.Domain)
	case !slices.Contains([]string{"", "Lax", "Strict", "None"}, in.SameSite):
		return fmt.Errorf("same_site: want Lax, Strict or None, got %q", in.SameSite)
	case in.SameSite == "None" && !in.Secure:
		return errors.New("same_site: want secure with None: browsers refuse the cookie otherwise")
	}
	return nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

func breaksAttribute(r rune) bool { return r <= ' ' || r == ';' || r == ',' || r >= 0x7f }

// attributes returns those that do not change.
func (in *Insert) attributes() string {
	var b strings.Builder
	b.WriteString("; Path=" + in.Path)
	if in.Domain != "" {
		b.WriteString("; Domain=" + in.Domain)
	}
	if in.Secure {
		b.WriteString("; Secure")
	}
	if in.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	if in.SameSite != "" {
		b.WriteString("; SameSite=" + in.SameSite)
	}
	return b.String()
}

// eachNamed calls f with the values of the request's cookies of that name, until
// it returns false.
func eachNamed(r *httphead.Request, name string, f func(value []byte) bool) {
	for i := range r.Fields {
		fd := &r.Fields[i]
		if len(fd.Name) != len("cookie") || !httphead.EqualFold(fd.Name, "cookie") {
			continue
		}
		for n, value := range httphead.Cookies(fd.Value) {
			if string(n) == name && !f(value) {
				return
			}
		}
	}
}

// readInserted reads casbah's own cookie: the first that opens, else why none does.
func (k *walker) readInserted(s *step) {
	why, tried, found := Absent, 0, false
	eachNamed(k.request.Head, s.insert.name, func(value []byte) bool {
		if tried++; tried > maxInserted {
			return false
		}
		var rd Reading
		if rd, why = k.openInserted(s.insert, value); why == Empty {
			found = true
			k.add(rd)
		}
		return !found
	})
	if !found {
		k.none(why)
	}
}

// openInserted returns the reading of a value; bad is Empty, or why the value
// counts for nothing.
func (k *walker) openInserted(s *insertStep, value []byte) (rd Reading, bad Use) {
	rd = Reading{Life: s.timeout, Confirmed: true, Use: Unbound, own: ownIssued}
	o, ok := opened{member: -1}, false
	if s.netscaler {
		rd.Server, ok = k.chain.readNetscaler(value)
	} else if o, ok = s.sealer.open(value, s.scope, k.chain.members); o.member >= 0 {
		rd.Server, rd.Age = k.chain.members[o.member].ID, age(k.sec, o.issued)
		rd.tag = uint32(o.mate.lo)
	}
	switch {
	case !ok:
		k.walk.noteClash(s.number, false)
		return rd, Foreign
	case rd.Server == 0:
		return rd, Foreign
	case s.timeout > 0 && rd.Age > s.timeout:
		return rd, Outdated
	}
	if o.key > 0 || s.netscaler && s.timeout > 0 { // an address does not tell its age
		rd.own = ownRenewed
	}
	rd.Standing = k.standings.Standing(rd.Server)
	return rd, Empty
}

// age returns the seconds since a cookie was issued; none if the clock of its
// issuer is ahead.
func age(sec, issued uint32) uint32 { return uint32(max(int32(sec-issued), 0)) }

// young reports whether the cookie that rd was read from need not be issued anew
// at the second sec, if it lives for timeout seconds without use.
func (rd *Reading) young(w *Walk, sec, timeout uint32) bool {
	return rd.own != ownRenewed && (timeout == 0 || rd.Age+sec-w.at < min(timeout/2, refreshAfter))
}

// insertCookie appends the Set-Cookie line of step i, unless the request held a
// cookie for the server that served it which is young enough.
func (c *Chain) insertCookie(now int64, w *Walk, i int, lines []byte) []byte {
	s, sec, absent, holder := c.steps[i].insert, seconds(now), false, uint32(0)
	for j := range w.Readings[:w.N] {
		rd := &w.Readings[j]
		if int(rd.Step) != i {
			continue
		}
		if rd.Server == w.served && rd.young(w, sec, s.timeout) {
			return lines
		}
		absent, holder = rd.Use == Absent, rd.tag
	}
	m := c.member(w.served)
	if m == nil {
		return lines
	}
	start := len(lines)
	lines = append(lines, s.before...)
	head := len(lines)
	if s.netscaler {
		lines = m.appendNetscaler(lines)
	} else {
		lines = s.sealer.appendSeal(lines, s.scope, m.Name, sec, holderOf(holder))
	}
	if len(lines) == head {
		return lines[:start]
	}
	w.issued, w.missing = s.number, absent
	return append(s.appendExpiry(lines, sec), s.after...)
}

// holderOf returns what a cookie holds of the client that it is issued to: a
// number that tells the clients behind one address apart, kept when the cookie is
// issued anew; 0 asks for a new one.
func holderOf(n uint32) Key {
	for n == 0 {
		n = rand.Uint32() //nolint:gosec // it tells clients apart and protects nothing
	}
	return Key{lo: uint64(n)}
}

// Issued returns the name of the cookie that insert_cookie added to the response,
// empty if it did not, and whether the request had come without it.
func (c *Chain) Issued(w *Walk) (name string, missing bool) {
	if w.issued == 0 || int(w.issued) > len(c.owns) {
		return "", false
	}
	return c.owns[w.issued-1], w.missing
}

// appendExpiry appends the attribute that ends the cookie, if any does.
func (s *insertStep) appendExpiry(lines []byte, sec uint32) []byte {
	switch {
	case s.timeout == 0:
		return lines
	case s.version == 0:
		lines = append(lines, "; Expires="...)
		return time.Unix(int64(sec+s.timeout), 0).UTC().AppendFormat(lines, "Mon, 02 Jan 2006 15:04:05 GMT")
	default:
		lines = append(lines, "; Max-Age="...)
		return strconv.AppendUint(lines, uint64(s.timeout), 10)
	}
}

// member returns the server of that ID; nil if it is not in the pool.
func (c *Chain) member(id balance.ServerID) *Member {
	for i := range c.members {
		if c.members[i].ID == id {
			return &c.members[i]
		}
	}
	return nil
}
