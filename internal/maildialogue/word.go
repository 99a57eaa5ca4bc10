package maildialogue

// Word returns the first word of p and what follows it. Words are parted by
// spaces and tabs.
func Word(p []byte) (word, rest []byte) {
	i := 0
	for i < len(p) && blank(p[i]) {
		i++
	}
	j := i
	for j < len(p) && !blank(p[j]) {
		j++
	}
	return p[i:j], p[j:]
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// Is reports whether word is name, which is in upper case, in any case.
func Is(word []byte, name string) bool {
	return len(word) == len(name) && HasPrefix(word, name)
}

// IsAny is Is for any of names.
func IsAny(word []byte, names ...string) bool {
	for _, name := range names {
		if Is(word, name) {
			return true
		}
	}
	return false
}

// HasPrefix reports whether word begins with name, which is in upper case, in
// any case.
func HasPrefix(word []byte, name string) bool {
	if len(word) < len(name) {
		return false
	}
	for i := range len(name) {
		if upper(word[i]) != name[i] {
			return false
		}
	}
	return true
}

// MostVerb is the longest word that is told from others, in octets.
const MostVerb = 16

// Upper appends word in upper case to dst; nothing, if it is longer than MostVerb.
func Upper(dst, word []byte) []byte {
	if len(word) > MostVerb {
		return dst
	}
	for _, c := range word {
		dst = append(dst, upper(c))
	}
	return dst
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// IsVerb reports whether word is letters, digits, dashes, dots and underscores
// alone. A server might read anything else in another way than the relay does.
func IsVerb(word []byte) bool {
	for _, c := range word {
		if u := upper(c); (u < 'A' || u > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(word) > 0
}

// Number reads p as a decimal number that fits into 63 bits.
func Number(p []byte) (n int64, ok bool) {
	for _, c := range p {
		if c < '0' || c > '9' || n > (1<<63-1-9)/10 {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, len(p) > 0
}
