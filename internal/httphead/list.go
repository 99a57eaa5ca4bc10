package httphead

import "bytes"

// Cut takes the first element off a comma list: without white space around it,
// empty elements left out. Elem is nil at the end. A comma inside a quoted
// string separates too: the lists that are read this way hold tokens.
func Cut(list []byte) (elem, rest []byte) {
	for len(list) > 0 {
		elem, rest = list, nil
		if i := bytes.IndexByte(list, ','); i >= 0 {
			elem, rest = list[:i], list[i+1:]
		}
		if elem = trim(elem); len(elem) > 0 {
			return elem, rest
		}
		list = rest
	}
	return nil, nil
}

// Token reports whether a comma list has the token, which is given in lower
// case and compared without case.
func Token(list []byte, low string) bool {
	elem, rest := Cut(list)
	for ; elem != nil; elem, rest = Cut(rest) {
		if EqualFold(elem, low) {
			return true
		}
	}
	return false
}
