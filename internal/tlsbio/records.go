package tlsbio

// recordHeader is the length of the header of a TLS record, whose last two
// octets are the length of the rest. RFC 8446, Section 5.1.
const recordHeader = 5

// Records follows the boundaries of TLS records. The zero value stands before
// the first one.
type Records struct {
	left uint16 // octets of the record to come, once its header is complete
	head uint8  // octets of a header seen, 0 to 4
	high uint8  // the first octet of its length
}

// Pass takes note of p, which follows what was passed before.
func (r *Records) Pass(p []byte) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(int(r.left), len(p))
			r.left -= uint16(n)
			p = p[n:]
			continue
		}
		switch r.head {
		case recordHeader - 2:
			r.high = p[0]
		case recordHeader - 1:
			r.left = uint16(r.high)<<8 | uint16(p[0])
		}
		r.head = (r.head + 1) % recordHeader
		p = p[1:]
	}
}

// Whole reports whether what was passed ends with a record, or is empty.
func (r *Records) Whole() bool { return r.head == 0 && r.left == 0 }

// rest returns how many octets at the front of p, which follows what was
// passed, belong to the record under way, or to the next if there is none.
func (r *Records) rest(p []byte) int {
	if r.left > 0 {
		return min(int(r.left), len(p))
	}
	header := recordHeader - int(r.head) // octets of it to come
	if len(p) < header {
		return len(p)
	}
	after := *r
	after.Pass(p[:header])
	return min(header+int(after.left), len(p))
}
