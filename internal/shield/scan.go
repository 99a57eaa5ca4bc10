package shield

import "bytes"

const (
	window = 512 // octets that are looked through at a time
	// overlap is how much of one window stands in the next: a word that is encoded
	// once more than it should be.
	overlap = 64
)

// scan looks for the words in path and query, decoded once and twice, however
// long they are.
func (f *facts) scan(path, query []byte) {
	var room [window]byte
	n := f.fill(&room, 0, path)
	if query != nil {
		n = f.fill(&room, n, question)
		n = f.fill(&room, n, query)
	}
	f.search(room[:n])
	f.twice = bytes.IndexByte(path, '%') >= 0 && twice(path)
}

var question = []byte("?")

// fill puts text, decoded, behind the n octets of the window, which is looked
// through whenever it is full. It returns how many there are then.
func (f *facts) fill(room *[window]byte, n int, text []byte) int {
	for len(text) > 0 {
		if n == window {
			f.search(room[:])
			n = copy(room[:], room[window-overlap:])
		}
		c, size := text[0], 1
		if c == '%' {
			c, size = octet(text)
		}
		room[n] = lower(c)
		n++
		text = text[size:]
	}
	return n
}

// search looks for the words in text, as it stands and decoded once more.
func (f *facts) search(text []byte) {
	f.find(text)
	if bytes.IndexByte(text, '%') < 0 {
		return // common case
	}
	var room [window]byte
	n := 0
	for len(text) > 0 {
		c, size := octet(text)
		room[n] = lower(c)
		n++
		text = text[size:]
	}
	f.find(room[:n])
}

func (f *facts) find(text []byte) {
	for w := range wordsFor(f.dir) {
		if !f.says(w) && bytes.Contains(text, words[w]) {
			f.found |= 1 << w
		}
	}
}

// twice reports whether a percent sign of the path is encoded and begins an
// encoding.
func twice(path []byte) bool {
	for len(path) > 0 {
		c, size := octet(path)
		if path = path[size:]; c == '%' && size > 1 && len(path) >= 2 && digit(path[0]) >= 0 && digit(path[1]) >= 0 {
			return true
		}
	}
	return false
}

// octet returns the octet that b begins with, percent-decoded, and its length in b.
func octet(b []byte) (c byte, n int) {
	if b[0] != '%' || len(b) < 3 {
		return b[0], 1
	}
	high, low := digit(b[1]), digit(b[2])
	if high < 0 || low < 0 {
		return b[0], 1
	}
	return byte(high<<4 | low), 3
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	default:
		return -1
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
