package persistence

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// sharing is what a chain has to know to tell addresses that carry one client
// from those that carry many.
type sharing struct {
	crowds *Crowds // nil: nothing is counted
	scope  uint64  // hash of the scope
	span   uint32  // seconds of a generation
	after  uint32  // clients from which on an address is shared; 0: never
	near   int     // bits of a tally from which on it gets a crowd
	many   []netip.Prefix
	single []netip.Prefix
}

// Crowd says how many clients an address carries, as far as a walk has to know.
type Crowd uint8

// The crowds of an address.
const (
	Alone   Crowd = iota // one client, as far as is known
	Several              // more than one; this is looked up where the bound server drains
	Counted              // shared: as many clients were counted as shared_after says
	Listed               // shared: shared_networks says so
)

// String says what makes the address one of many clients; empty if nothing does.
func (c Crowd) String() string { return [...]string{"", "several", "counted", "shared_networks"}[c] }

// Shared reports whether the address is shared.
func (c Crowd) Shared() bool { return c >= Counted }

func newSharing(cfg *Config) sharing {
	h := newSip(cfg.Secret)
	h.writeField([]byte(cfg.Scope))
	s := sharing{
		crowds: cfg.Crowds, scope: h.sum().lo, span: generation(uint32(cfg.Timeout / time.Second)),
		after: uint32(max(cfg.SharedAfter, 0)), near: min(max(cfg.SharedAfter/2, 2), 12),
		many: slices.Clone(cfg.SharedNetworks), single: slices.Clone(cfg.SingleNetworks),
	}
	if s.after == 0 {
		s.near = tallyBits + 1
	}
	return s
}

// rule returns what the configuration says of addr: it is always shared, never,
// or neither. Of networks that hold addr the smallest counts.
func (s *sharing) rule(addr netip.Addr) (many, single bool) {
	if len(s.many)+len(s.single) == 0 {
		return false, false // common case
	}
	addr = addr.Unmap().WithZone("")
	m, n := closest(s.many, addr), closest(s.single, addr)
	return m > n, n > m
}

// closest returns the bits of the smallest of the networks that holds addr; -1 if
// none does.
func closest(networks []netip.Prefix, addr netip.Addr) int {
	best := -1
	for _, p := range networks {
		if p.Bits() > best && p.Contains(addr) {
			best = p.Bits()
		}
	}
	return best
}

// carriesClients reports whether the keys of the step are of addresses behind
// which there may be many clients. The address that they call is not meant.
func (s *step) carriesClients() bool { return s.by == SourceIP || s.by == SrcDestIP }

// crowd finds out how many clients the addresses of the walk carry, and sets those
// aside that are shared, if the request can be told from others behind them.
func (c *Chain) crowd(w *Walk, r *Request) {
	if c.sharing.crowds == nil {
		return
	}
	many, single := c.sharing.rule(r.Source)
	if single {
		return
	}
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Key.IsZero() || !c.steps[rd.Step].carriesClients() {
			continue
		}
		w.source, w.counts = r.Source.As16(), true
		c.measure(w, rd)
		if many {
			rd.Crowd = Listed
		}
		if rd.Crowd.Shared() && c.tells(w, r) {
			rd.Use = Shared
		}
	}
}

// measure looks up how many clients the address of rd carries.
func (c *Chain) measure(w *Walk, rd *Reading) {
	s, key := &c.sharing, crowdKey(rd.Key)
	if cr := s.crowds.find(key); cr != nil {
		rd.Clients = uint16(min(cr.at(w.at), mostClients))
		if s.after > 0 && cr.shared(w.at) {
			rd.Crowd = Counted
		}
	}
	if rd.Crowd == Alone && rd.Standing == Draining {
		id, _ := c.client(w, true)
		if n := s.crowds.carries(w.at, s.span, key, id); n > 1 {
			rd.Crowd, rd.Clients = Several, uint16(n)
		}
	}
}

// tells reports whether the request can be told from others behind its address:
// it yields a key of an identity that is bound or will be, or the chain can issue
// its cookie. A cookie that only a server's answer would bind does not do.
func (c *Chain) tells(w *Walk, r *Request) bool {
	if r.Head != nil && c.issues || c.showsWho(w) {
		return true
	}
	for i := range w.Readings[:w.N] {
		if rd := &w.Readings[i]; rd.Server != 0 && c.steps[rd.Step].identity {
			return true
		}
	}
	return false
}

// showsWho reports whether the request yields a key of an identity that is bound
// as soon as it is shown.
func (c *Chain) showsWho(w *Walk) bool {
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if c.steps[rd.Step].identity && c.bindsOnRequest(w, rd) && !rd.Key.IsZero() {
			return true
		}
	}
	return false
}

// client returns the hash of who the request is of, as far as that is one of
// those who are counted: a user, device or client-made identity that the servers
// have confirmed, else whoever holds the cookie that casbah inserted, else whoever
// brings a cookie that a server has set. One is enough: a user who logs in again has
// another cookie, and is still the same one. With anyone also who is not
// confirmed counts.
func (c *Chain) client(w *Walk, anyone bool) (id uint64, ok bool) {
	best, tag := 0, uint32(0)
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		s := &c.steps[rd.Step]
		if !s.identity || !rd.Confirmed && !anyone {
			continue
		}
		rank, hash := s.tellsWho(rd)
		if rank > best || rank > 0 && rank == best && rd.tag < tag {
			best, tag, id = rank, rd.tag, hash
		}
	}
	return id, best > 0
}

// tellsWho returns how well the reading tells who the client is, 0 if it does
// not, and the hash of that.
func (s *step) tellsWho(rd *Reading) (rank int, id uint64) {
	switch {
	case s.by == InsertCookie:
		if rd.tag == 0 || rd.Server == 0 {
			return 0, 0 // it names a server and nobody
		}
		return 3, spread(rd.tag)
	case rd.Key.IsZero(), s.by == SSLID, s.by == RPCConnection && rd.tag == ofVirtual: // one client has several
		return 0, 0
	case s.by == RPCConnection:
		return 2, rd.Key.lo
	case s.by != Cookie:
		return 4, rd.Key.lo
	case s.origin == FromServer && rd.Server == 0:
		return 0, 0 // no server has set it
	case rd.own != notOwn:
		return 1, rd.Key.lo
	default:
		return 2, rd.Key.lo
	}
}

// spread returns n with all bits of a hash.
func spread(n uint32) uint64 {
	h := (uint64(n) + 1) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// noteEvery is how many seconds an open request lets pass before it says again
// that its client is in use.
const noteEvery = 30

// note counts the client of the request behind its addresses.
func (c *Chain) note(sec uint32, w *Walk) {
	if !w.counts || w.noted != 0 && elapsed(w.noted, sec) < noteEvery {
		return
	}
	id, ok := c.client(w, false)
	if !ok && (w.Why == Conflict || w.Why == Strict) {
		id, ok = spread(uint32(w.served)), true // somebody else, of whom no more is known
	}
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Key.IsZero() || !c.steps[rd.Step].carriesClients() {
			continue
		}
		if ok {
			a := c.address(w, rd)
			c.sharing.crowds.see(sec, &a, id, &c.sharing)
		}
		if rd.Crowd.Shared() {
			c.tell(sec, w, rd)
		}
	}
	if ok {
		w.noted = sec
	}
}

// bits returns how many bits of addr count.
func (a addrStep) bits(addr netip.Addr) int {
	if addr.Is4() {
		return a.bits4
	}
	return a.bits6
}

// address returns the address of rd.
func (c *Chain) address(w *Walk, rd *Reading) crowdAddr {
	a := crowdAddr{key: crowdKey(rd.Key), scope: c.sharing.scope}
	addr, ok := c.steps[rd.Step].addr.mask(netip.AddrFrom16(w.source))
	if ok {
		a.prefix = netip.PrefixFrom(addr, c.steps[rd.Step].addr.bits(addr))
	}
	return a
}

// tell notes of a shared address whether its clients can be told apart. One of
// shared_networks is listed from its first request on.
func (c *Chain) tell(sec uint32, w *Walk, rd *Reading) {
	s := &c.sharing
	a := c.address(w, rd)
	cr := s.crowds.find(a.key)
	if cr == nil {
		if rd.Crowd != Listed || !s.crowds.gather(sec, &a, s, tally{}) {
			return
		}
		if cr = s.crowds.find(a.key); cr == nil {
			return
		}
	}
	last := &cr.untold
	switch {
	case rd.Use != Shared:
	case c.issues || c.showsWho(w):
		last = &cr.told
	default:
		return // a server has told it apart, which it does where the address leads
	}
	if old := last.Load(); old == 0 || elapsed(old, sec) >= noteEvery {
		last.Store(sec)
	}
}

// SharedAddress is an address that carries many clients.
type SharedAddress struct {
	Address     netip.Prefix
	Scope       string    // whose bindings, in words
	Clients     int       // an estimate; right to some percent
	Since       time.Time // since when it is shared
	By          Crowd     // Counted or Listed
	Balanceable bool      // its clients can be told apart, and are balanced one by one
}

// Shared lists the addresses of the chain's scope that are shared at now, those
// that carry most first.
func (c *Chain) Shared(now int64) []SharedAddress {
	s, sec := &c.sharing, seconds(now)
	if s.crowds == nil {
		return nil
	}
	var all []SharedAddress
	s.crowds.each(func(cr *crowd) {
		if cr.scope.Load() != s.scope {
			return
		}
		a := SharedAddress{
			Address: cr.address(), Scope: c.scope, Clients: cr.at(sec), Since: time.Unix(int64(cr.since.Load()), 0),
			By: Counted, Balanceable: c.spreads(cr),
		}
		switch many, single := s.rule(a.Address.Addr()); {
		case single, !many && (s.after == 0 || !cr.shared(sec)):
			return
		case many && elapsed(cr.lastUse(), sec) >= calm:
			return
		case many:
			a.By, a.Since = Listed, time.Unix(int64(cr.first.Load()), 0)
		}
		all = append(all, a)
	})
	slices.SortFunc(all, func(a, b SharedAddress) int {
		return cmp.Or(b.Clients-a.Clients, a.Address.Addr().Compare(b.Address.Addr()))
	})
	return all
}

// spreads reports whether the clients of the address are balanced one by one: the
// chain issues its cookie, or their requests showed who they are.
func (c *Chain) spreads(cr *crowd) bool {
	if c.issues {
		return true
	}
	told, untold := cr.told.Load(), cr.untold.Load()
	return told != 0 && (untold == 0 || elapsed(told, untold) < calm)
}

// lastUse returns the second of the last request from the address.
func (cr *crowd) lastUse() uint32 {
	return max(cr.told.Load(), cr.untold.Load(), cr.start.Load())
}

func onesOf(set uint32) int { return bits.OnesCount32(set) }

// ClientHash returns the hash of who the client says it is, confirmed or not;
// false if the request does not show it.
func (c *Chain) ClientHash(w *Walk) (uint64, bool) { return c.client(w, true) }
