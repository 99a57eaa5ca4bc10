package persistence

// called is how much counts of the address that a client called: all of it. A
// client changes its own within its network; a VIP does not.
var called = addrStep{bits4: 32, bits6: 128}

// readDest reads the address that the client called, step dest_ip; with the
// client's own before it, step src_dest_ip.
func (k *walker) readDest(s *step) {
	h := s.seed
	ok := s.by == DestIP || s.addr.feed(&h, k.request.Source)
	if !ok || !called.feed(&h, k.request.Dest) {
		k.none(Absent)
		return
	}
	k.key(s.keyOf(h))
}
