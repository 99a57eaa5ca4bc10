package profiles

import (
	"maps"
	"sort"
	"strconv"
	"strings"
)

// index tells where each key, table and array element of a TOML text stands.
// The decoder's library keeps no positions of array elements, nor of keys that
// occur once for each table of an array, and those are most of a casbah.toml.
type index struct {
	at    map[path]int // octet offset
	lines []int        // offset of the first octet of each line
	size  int          // of the text, in octets
}

// indexText reads the positions of text, whose syntax the library has accepted:
// it looks for the ends of strings and brackets and judges nothing.
func indexText(text string) *index {
	s := &scanner{text: text, at: make(map[path]int), tables: make(map[path]int)}
	s.file()
	return &index{at: s.at, lines: lineStarts(text), size: len(text)}
}

func lineStarts(text string) []int {
	starts := []int{0}
	for i, c := range []byte(text) {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// has reports whether the file holds p.
func (x *index) has(p path) bool {
	_, ok := x.at[p]
	return ok
}

// forget makes p, and all that stands in it, as if the file did not hold it.
func (x *index) forget(p path) {
	maps.DeleteFunc(x.at, func(q path, _ int) bool {
		rest, within := strings.CutPrefix(string(q), string(p))
		return within && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// find returns the position of p, or of the nearest thing around it that the
// file holds.
func (x *index) find(p path) Position {
	for p != "" {
		if off, ok := x.at[p]; ok {
			return x.position(off)
		}
		p = p.up()
	}
	return Position{1, 1}
}

// position turns an offset, at most one past the end, into line and column.
func (x *index) position(off int) Position {
	off = max(0, min(off, x.size))
	line := sort.SearchInts(x.lines, off+1) // lines that begin at or before off
	return Position{line, off - x.lines[line-1] + 1}
}

// scanner walks a TOML text and notes the offsets of what it meets.
type scanner struct {
	text   string
	off    int
	at     map[path]int
	tables map[path]int // how many [[tables]] of an array there have been
}

func (s *scanner) file() {
	var table path
	for s.skip(" \t\r\n"); s.off < len(s.text); s.skip(" \t\r\n") {
		if s.text[s.off] == '[' {
			table = s.header()
			continue
		}
		s.pair(table)
	}
}

// header reads [table] or [[table]] and returns the path that its keys have.
func (s *scanner) header() path {
	start := s.off
	array := strings.HasPrefix(s.text[s.off:], "[[")
	s.off++
	if array {
		s.off++
	}
	var p path
	keys := s.keys()
	for i, k := range keys {
		p = p.key(k.name)
		s.note(p, start)
		n := s.tables[p]
		switch {
		case array && i == len(keys)-1:
			s.tables[p]++
			p = p.item(n)
			s.note(p, start)
		case n > 0: // the table stands in the last one of the array so far
			p = p.item(n - 1)
		}
	}
	s.skip(" \t]")
	return p
}

// pair reads key = value in the table p.
func (s *scanner) pair(p path) {
	start := s.off
	for _, k := range s.keys() {
		p = p.key(k.name)
		s.note(p, k.off)
	}
	s.skip(" \t=")
	s.value(p)
	if s.off == start { // not TOML: whatever happens, the walk ends
		s.off++
	}
}

// key is one part of a dotted key.
type key struct {
	name string
	off  int
}

// keys reads a dotted key, up to what follows it.
func (s *scanner) keys() []key {
	var ks []key
	for {
		s.skip(" \t.")
		off := s.off
		switch {
		case s.off < len(s.text) && (s.text[s.off] == '"' || s.text[s.off] == '\''):
			s.quoted()
			ks = append(ks, key{unquote(s.text[off:s.off]), off})
		default:
			n := len(s.text) - off
			if i := strings.IndexAny(s.text[off:], " \t.=[]{},#\"'\r\n"); i >= 0 {
				n = i
			}
			if n == 0 {
				return ks
			}
			s.off += n
			ks = append(ks, key{s.text[off:s.off], off})
		}
	}
}

// value skips a value and notes the elements in it.
func (s *scanner) value(p path) {
	if s.off == len(s.text) {
		return
	}
	switch s.text[s.off] {
	case '"', '\'':
		s.quoted()
	case '[':
		s.off++
		for i := 0; s.more(']'); i++ {
			s.note(p.item(i), s.off)
			s.element(func() { s.value(p.item(i)) })
		}
	case '{':
		s.off++
		for s.more('}') {
			s.element(func() { s.pair(p) })
		}
	default:
		if i := strings.IndexAny(s.text[s.off:], ",]}#\r\n"); i >= 0 {
			s.off += i
			return
		}
		s.off = len(s.text)
	}
}

// element reads one element of a list and makes sure that the walk goes on.
func (s *scanner) element(read func()) {
	before := s.off
	read()
	if s.off == before {
		s.off++
	}
}

// more goes to the next element of a list that closes with end, or past its end.
func (s *scanner) more(end byte) bool {
	s.skip(" \t\r\n,")
	if s.off == len(s.text) {
		return false
	}
	if s.text[s.off] == end {
		s.off++
		return false
	}
	return true
}

// quoted skips a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.off : s.off+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.off:], long) {
		s.off += len(long)
		s.until(long, quote == `"`)
		for strings.HasPrefix(s.text[s.off:], quote) { // """a"""" ends with a quote of its own
			s.off++
		}
		return
	}
	s.off++
	s.until(quote, quote == `"`)
}

// until skips past end; where escapes holds, a backslash takes the next octet along.
func (s *scanner) until(end string, escapes bool) {
	for s.off < len(s.text) {
		switch {
		case strings.HasPrefix(s.text[s.off:], end):
			s.off += len(end)
			return
		case escapes && s.text[s.off] == '\\' && s.off+1 < len(s.text):
			s.off += 2
		default:
			s.off++
		}
	}
}

// skip skips octets of set, and comments.
func (s *scanner) skip(set string) {
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case strings.IndexByte(set, c) >= 0:
			s.off++
		case c == '#':
			if i := strings.IndexByte(s.text[s.off:], '\n'); i >= 0 {
				s.off += i
				continue
			}
			s.off = len(s.text)
		default:
			return
		}
	}
}

// note keeps the first offset of p.
func (s *scanner) note(p path, off int) {
	if _, ok := s.at[p]; !ok {
		s.at[p] = off
	}
}

// unquote returns the key that a quoted key stands for. One that Go cannot read
// is taken as it is: its position falls back to its table's.
func unquote(q string) string {
	if strings.HasPrefix(q, "'") {
		return strings.Trim(q, "'")
	}
	if name, err := strconv.Unquote(q); err == nil {
		return name
	}
	return q
}
