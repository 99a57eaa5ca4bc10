package httphead

import "bytes"

// End returns the length of the head that p begins with, its last empty line
// included, or 0 while it is not complete. From is how many octets of p an
// earlier call has seen; each octet is read once. A line that ends without CR
// is an error as soon as it is seen, so that such a peer is not waited for;
// Parse finds everything else.
func End(p []byte, from int) (n int, err error) {
	// The last three octets seen may be part of the empty line.
	for i := min(max(from-3, 0), len(p)); ; {
		j := bytes.IndexByte(p[i:], '\n')
		if j < 0 {
			return 0, nil
		}
		i += j + 1
		switch {
		case i < 2 || p[i-2] != '\r':
			return 0, errBareLF
		case i == 2, i >= 4 && p[i-3] == '\n':
			return i, nil
		}
	}
}
