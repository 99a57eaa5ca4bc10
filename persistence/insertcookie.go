package persistence

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
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

// insertStep is step insert_cookie.
type insertStep struct {
	sealer  *Sealer
	scope   []byte
	name    string
	timeout uint32 // seconds; 0: a session cookie
	version int
	before  string // of the Set-Cookie line, up to the value
	after   string // the attributes that do not change, and the end of the line
}

// CookieName returns the name of the inserted cookie of a scope: CASBAH_ and
// four letters. It is the same on every node and after every start.
func CookieName(scope string) string {
	sum := sha256.Sum256([]byte(scope))
	n := binary.BigEndian.Uint32(sum[:])
	name := []byte("CASBAH_")
	for range 4 {
		name = append(name, 'A'+byte(n%26))
		n /= 26
	}
	return string(name)
}

func newInsertStep(cfg *Config, in Insert) (*insertStep, error) {
	if in.Name == "" {
		in.Name = CookieName(cfg.Scope)
	}
	if in.Path == "" {
		in.Path = "/"
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if cfg.Sealer == nil {
		return nil, errors.New("want a sealer")
	}
	for _, m := range cfg.Members {
		if len(m.Name) > maxServerName {
			return nil, fmt.Errorf("server %s: want a name of at most %d octets", m.Name, maxServerName)
		}
	}
	return &insertStep{
		sealer: cfg.Sealer, scope: []byte(cfg.Scope), name: in.Name, version: in.Version,
		timeout: uint32((in.Timeout + time.Second - 1) / time.Second),
		before:  "Set-Cookie: " + in.Name + "=",
		after:   in.attributes() + "\r\n",
	}, nil
}

// check refuses what would break the header line or what no client accepts.
func (in *Insert) check() error {
	switch {
	case !isToken(in.Name):
		return fmt.Errorf("name: want letters, digits, - and _, got %q", in.Name)
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
		if !letter && !digit && c != '-' && c != '_' {
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

// readInserted reads casbah's own cookie: the first that opens, else why none does.
func (k *walker) readInserted(s *step) {
	why, tried := Absent, 0
	for i := range k.request.Head.Fields {
		f := &k.request.Head.Fields[i]
		if !httphead.EqualFold(f.Name, "cookie") {
			continue
		}
		for name, value := range httphead.Cookies(f.Value) {
			if string(name) != s.insert.name {
				continue
			}
			if tried++; tried > maxInserted {
				break
			}
			id, age, bad := k.openInserted(s.insert, value)
			if bad == Empty {
				k.add(Reading{
					Server: id, Age: age, Confirmed: true, Use: Unbound,
					Standing: k.standings.Standing(id),
				})
				return
			}
			why = bad
		}
	}
	k.none(why)
}

// openInserted returns the server that value names and the cookie's age in
// seconds; bad is Empty, or why the value counts for nothing.
func (k *walker) openInserted(s *insertStep, value []byte) (id balance.ServerID, age uint32, bad Use) {
	i, issued, ok := s.sealer.open(value, s.scope, k.chain.members)
	if !ok {
		return 0, 0, Foreign
	}
	if d := int32(k.sec - issued); d > 0 {
		age = uint32(d)
	}
	if s.timeout > 0 && age > s.timeout {
		return 0, 0, Outdated
	}
	return k.chain.members[i].ID, age, Empty
}

// insertCookie appends the Set-Cookie line of step i, unless the request held a
// cookie for the server that served it which is young enough.
func (c *Chain) insertCookie(now int64, w *Walk, i int, lines []byte) []byte {
	s, sec := c.steps[i].insert, seconds(now)
	for j := range w.Readings[:w.N] {
		rd := &w.Readings[j]
		if int(rd.Step) == i && rd.Server == w.served && (s.timeout == 0 || rd.Age+sec-w.at < min(s.timeout/2, refreshAfter)) {
			return lines
		}
	}
	server := ""
	for j := range c.members {
		if c.members[j].ID == w.served {
			server = c.members[j].Name
		}
	}
	if server == "" {
		return lines
	}
	lines = append(lines, s.before...)
	lines = s.sealer.appendSeal(lines, s.scope, server, sec)
	switch {
	case s.timeout == 0:
	case s.version == 0:
		lines = append(lines, "; Expires="...)
		lines = time.Unix(int64(sec+s.timeout), 0).UTC().AppendFormat(lines, "Mon, 02 Jan 2006 15:04:05 GMT")
	default:
		lines = append(lines, "; Max-Age="...)
		lines = strconv.AppendUint(lines, uint64(s.timeout), 10)
	}
	return append(lines, s.after...)
}
