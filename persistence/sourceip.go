package persistence

import (
	"fmt"
	"net/netip"
)

// defaultPrefix6 is how many bits of an IPv6 address count unless set: a client
// changes the others as it likes (RFC 8981).
const defaultPrefix6 = 64

// addrStep is how much of a client's address the step counts: source_ip, and
// others that read it.
type addrStep struct{ bits4, bits6 int }

func newAddrStep(s Step) (addrStep, error) {
	a := addrStep{bits4: s.Prefix4, bits6: s.Prefix6}
	if a.bits4 == 0 {
		a.bits4 = 32
	}
	if a.bits6 == 0 {
		a.bits6 = defaultPrefix6
	}
	if a.bits4 < 1 || a.bits4 > 32 {
		return a, fmt.Errorf("prefix4: want 1 to 32, got %d", a.bits4)
	}
	if a.bits6 < 1 || a.bits6 > 128 {
		return a, fmt.Errorf("prefix6: want 1 to 128, got %d", a.bits6)
	}
	return a, nil
}

// mask returns the part of addr that counts. An IPv4 address is one whether it
// came over an IPv4 or an IPv6 socket.
func (a addrStep) mask(addr netip.Addr) (netip.Addr, bool) {
	addr = addr.Unmap()
	n := a.bits6
	if addr.Is4() {
		n = a.bits4
	}
	p, err := addr.Prefix(n)
	return p.Addr(), err == nil && p.IsValid()
}

// feed has h take in the part of addr that counts. It reports false if there is
// no address.
func (a addrStep) feed(h *sip, addr netip.Addr) bool {
	addr, ok := a.mask(addr)
	if ok {
		octets := addr.As16() // IPv4 in its mapped form, which no IPv6 address has here
		h.write(octets[:])
	}
	return ok
}

// readSource reads the client's address.
func (k *walker) readSource(s *step) {
	h := s.seed
	if !s.addr.feed(&h, k.request.Source) {
		k.none(Absent)
		return
	}
	k.key(s.keyOf(h))
}
