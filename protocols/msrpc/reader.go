package msrpc

// Reader cuts what one side of a connection says into PDUs. It takes the octets
// in any pieces and gives each of them out again, in order: either in a PDU that
// is whole, or as they come.
type Reader struct {
	// Whole are the types that are wanted in one piece. PDUs of other types pass
	// by without being held.
	Whole Types
	// Limit is the length in octets above which a PDU passes by, whatever its
	// type; 0 is MaxPDU.
	Limit int

	part   []byte // the beginning of a PDU, until there is more
	header Header // of the PDU that passes by
	left   int    // octets of it that are to come
	err    error
}

// Piece is what a Reader gives out.
type Piece struct {
	Header Header
	Octets []byte // valid up to the next call; empty: there has to be more
	Whole  bool   // Octets are a PDU, rather than a part of one that passes by
}

// kept is the capacity that a Reader without a part keeps, in octets: that of the
// PDUs of every day.
const kept = 1024

// Next takes octets off the front of p, says how many, and gives a piece out. Its
// octets are part of p or, if their PDU came in pieces, of the Reader, which
// holds at most one PDU. p is not empty. After an error nothing is taken any more:
// what was taken and not given out is what Rest returns.
func (r *Reader) Next(p []byte) (Piece, int, error) {
	if r.err != nil {
		return Piece{}, 0, r.err
	}
	if r.left > 0 {
		n := min(r.left, len(p))
		r.left -= n
		return Piece{Header: r.header, Octets: p[:n:n]}, n, nil
	}
	if len(r.part) == 0 {
		if cap(r.part) > kept {
			r.part = nil
		}
		return r.direct(p)
	}
	return r.resumed(p)
}

// direct looks at a PDU that begins with p.
func (r *Reader) direct(p []byte) (Piece, int, error) {
	if len(p) < headerSize && begins(p) {
		r.part = append(r.part, p...)
		return Piece{}, len(p), nil
	}
	h, err := ParseHeader(p)
	if err != nil {
		r.err = err
		return Piece{}, 0, err
	}
	switch {
	case !r.wants(&h):
		n := min(h.Length, len(p))
		r.header, r.left = h, h.Length-n
		return Piece{Header: h, Octets: p[:n:n]}, n, nil
	case len(p) < h.Length:
		r.part = append(r.part, p...)
		return Piece{}, len(p), nil
	}
	return Piece{Header: h, Octets: p[:h.Length:h.Length], Whole: true}, h.Length, nil
}

// resumed adds p to the PDU that has begun.
func (r *Reader) resumed(p []byte) (Piece, int, error) {
	used := 0
	if n := headerSize - len(r.part); n > 0 {
		used = min(n, len(p))
		r.part = append(r.part, p[:used]...)
		if used < n && begins(r.part) {
			return Piece{}, used, nil
		}
	}
	h, err := ParseHeader(r.part)
	if err != nil {
		r.err = err
		return Piece{}, used, err
	}
	if !r.wants(&h) {
		r.header, r.left = h, h.Length-headerSize
		return Piece{Header: h, Octets: r.take()}, used, nil
	}
	n := min(h.Length-len(r.part), len(p)-used)
	r.part = append(r.part, p[used:used+n]...)
	used += n
	if len(r.part) < h.Length {
		return Piece{}, used, nil
	}
	return Piece{Header: h, Octets: r.take(), Whole: true}, used, nil
}

// begins reports whether p may be the beginning of a PDU. Somebody else's few
// octets are not held: they may be all that comes.
func begins(p []byte) bool { return p[0] == 5 && (len(p) < 2 || p[1] <= 1) }

// wants reports whether the PDU is to be given out in one piece.
func (r *Reader) wants(h *Header) bool {
	return r.Whole.Has(h.Type) && (r.Limit == 0 || h.Length <= r.Limit)
}

// take returns the part and forgets it.
func (r *Reader) take() []byte {
	p := r.part
	r.part = p[:0]
	return p
}

// Rest returns the octets that were taken and not given out, and forgets them;
// it is for the end of the stream, and after an error.
func (r *Reader) Rest() []byte { return r.take() }
