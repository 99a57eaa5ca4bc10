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
	n := 0
	for part := range 2 {
		text := path
		if part == 1 {
			if query == nil {
				break
			}
			text = query
			n = f.put(&room, n, '?')
		}
		for len(text) > 0 {
			c, size := octet(text)
			if c == '%' && size > 1 && part == 0 {
				f.twice = f.twice || escaped(text[size:])
			}
			n = f.put(&room, n, c)
			text = text[size:]
		}
	}
	f.search(room[:n])
}

// put adds an octet to the window and looks through it when it is full.
func (f *facts) put(room *[window]byte, n int, c byte) int {
	if n == window {
		f.search(room[:])
		n = copy(room[:], room[window-overlap:])
	}
	room[n] = lower(c)
	return n + 1
}

// search looks for the words in text, as it stands and decoded once more.
func (f *facts) search(text []byte) {
	f.find(text)
	if bytes.IndexByte(text, '%') < 0 {
		return
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
	for w := range wordCount {
		if !f.says(w) && contains(text, words[w]) {
			f.found |= 1 << w
		}
	}
}

// contains is bytes.Contains without a conversion.
func contains(text []byte, word string) bool {
	for len(text) >= len(word) {
		i := bytes.IndexByte(text[:len(text)-len(word)+1], word[0])
		if i < 0 {
			return false
		}
		if string(text[i:i+len(word)]) == word {
			return true
		}
		text = text[i+1:]
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

// escaped reports whether b goes on with two hexadecimal digits, so that a percent
// sign before it would be an encoding.
func escaped(b []byte) bool { return len(b) >= 2 && digit(b[0]) >= 0 && digit(b[1]) >= 0 }

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
