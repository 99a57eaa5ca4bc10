package shield

import (
	"bytes"
	"slices"

	"casbah/internal/httphead"
)

// Check returns the first rule that the request meets, None for almost all. A
// stranger comes from outside the networks of administrators. It does not allocate.
func Check(head *httphead.Request, stranger bool) Rule {
	f := facts{stranger: stranger, method: head.Method}
	f.start(head.Path)
	if head.Query != nil || bytes.IndexByte(head.Path, '%') >= 0 || f.dir == dirAutodiscover {
		f.scan(head.Path, head.Query)
	}
	if f.dir == dirAutodiscover {
		f.names(head.Query)
	}
	for i := range head.Fields {
		f.field(head.Fields[i].Name, head.Fields[i].Value)
	}
	if f.clean() {
		return None // common case
	}
	for r := None + 1; r < rules; r++ {
		if r.meets(&f) {
			return r
		}
	}
	return None
}

// clean reports whether no rule can be met.
func (f *facts) clean() bool {
	usual := string(f.method) == "GET" || string(f.method) == "POST" && f.dir != dirOAB
	return usual && f.found&^harmless == 0 && !f.stranger && !f.twice && !f.nameWithAt && !f.backendCookie && !f.emailCookie &&
		!f.token && f.cookie <= maxCookie && f.cookies <= maxCookies
}

// harmless are the words that mean nothing alone.
const harmless = 1<<wordAutodiscover | 1<<wordAutodiscoverJSON | 1<<wordDDI | 1<<wordVirtualDirectory

// facts are what rules ask about.
type facts struct {
	stranger bool
	method   []byte
	dir      directory // the first one of the path
	behind   []byte    // the path behind it

	found         uint // a bit for each word
	twice         bool // the path is encoded twice
	nameWithAt    bool // a parameter whose name has an @
	backendCookie bool
	emailCookie   bool
	token         bool
	cookie        int // octets of the longest
	cookies       int // octets of all
}

// maxSegment is how much of a segment of the path is looked at, in octets: more than
// any directory or page has.
const maxSegment = 32

// word is an index in words.
type word uint8

// says reports whether path or query hold the word.
func (f *facts) says(w word) bool { return f.found>>w&1 != 0 }

// allowed reports whether the method is one of all; nil is any.
func (f *facts) allowed(all []string) bool {
	return all == nil || slices.ContainsFunc(all, func(m string) bool { return m == string(f.method) })
}

// below reports whether the path leads to one of pages, behind the directory. What
// stands before a page does not hide it: ECP takes the mailbox to be managed there, as
// in /ecp/alice@example.org/, and ASP.NET cuts out a session in parentheses wherever a
// segment begins with one, be it amid a name: then it may be any.
func (f *facts) below(pages []string) bool {
	var room [maxSegment]byte
	for name, rest := cutSegment(&room, f.behind); len(name) > 0; name, rest = cutSegment(&room, rest) {
		if name[0] == '(' || slices.ContainsFunc(pages, func(p string) bool { return p == string(name) }) {
			return true
		}
	}
	return false
}

// start reads where the path begins.
func (f *facts) start(path []byte) {
	var room [maxSegment]byte
	var first []byte
	first, f.behind = cutSegment(&room, path)
	f.dir = directoryOf(first)
}

// cutSegment takes the first segment off a path: decoded and in lower case, as far as
// there is room for it. Empty ones do not count, as with IIS; at the end there is none.
func cutSegment(room *[maxSegment]byte, path []byte) (name, rest []byte) {
	n := 0
	for len(path) > 0 {
		c, size := octet(path)
		path = path[size:]
		if c == '/' {
			if n > 0 {
				break
			}
			continue
		}
		if n < len(room) {
			room[n] = lower(c)
			n++
		}
	}
	return room[:n], path
}

// names looks for an @ in the names of parameters.
func (f *facts) names(query []byte) {
	name := true
	for len(query) > 0 {
		c, n := octet(query)
		switch {
		case n == 1 && c == '&':
			name = true
		case n == 1 && c == '=':
			name = false
		case c == '@' && name:
			f.nameWithAt = true
			return
		}
		query = query[n:]
	}
}

// field reads one field of the head.
func (f *facts) field(name, value []byte) {
	switch len(name) {
	case len("cookie"):
		if httphead.EqualFold(name, "cookie") {
			f.cookieField(value)
		}
	case len("x-rps-cat"):
		f.token = f.token || httphead.EqualFold(name, "x-rps-cat")
	case len("x-commonaccesstoken"):
		f.token = f.token || httphead.EqualFold(name, "x-commonaccesstoken")
	}
}

// cookieField reads a Cookie field. Most are looked into only for two octets.
func (f *facts) cookieField(value []byte) {
	f.cookies += len(value)
	backend, email := bytes.IndexByte(value, '~') >= 0, bytes.IndexByte(value, '@') >= 0 || bytes.IndexByte(value, '%') >= 0
	if len(value) <= maxCookie && !backend && !email {
		f.cookie = max(f.cookie, len(value))
		return // common case
	}
	for name, v := range httphead.Cookies(value) {
		f.cookie = max(f.cookie, len(name)+1+len(v))
		switch {
		case backend && (httphead.EqualFold(name, "x-beresource") || httphead.EqualFold(name, "x-anonresource-backend")):
			f.backendCookie = f.backendCookie || bytes.IndexByte(v, '~') >= 0
		case email && httphead.EqualFold(name, "email"):
			g := facts{dir: dirAutodiscover}
			g.scan(v, nil)
			f.emailCookie = f.emailCookie || g.says(wordAutodiscover)
		}
	}
}
