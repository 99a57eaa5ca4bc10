package persistence

import (
	"errors"
	"fmt"

	"casbah/balance"
	"casbah/internal/rule"
)

// step is a Step made ready to read.
type step struct {
	by       Method
	identity bool
	origin   Origin
	seed     sip    // has taken in what all keys of the step have in common
	mark     uint16 // of scope and method, in every key of the step

	addr   addrStep
	cookie cookieStep
	header headerStep
	insert *insertStep
	url    urlServerStep
	server *serverStep
	rule   *rule.Rule
}

// newStep makes s ready.
func newStep(cfg *Config, s Step) (step, error) {
	if int(s.By) >= len(methods) {
		return step{}, errors.New("want a method that there is")
	}
	m := methods[s.By]
	if m.named && s.Name == "" {
		return step{}, fmt.Errorf("%s: want a name", m.name)
	}
	st := step{by: s.By, identity: m.identity, origin: s.Origin, seed: newSip(cfg.Secret)}
	st.seed.writeField([]byte(cfg.Scope))
	st.seed.writeField([]byte(m.name))
	if st.mark = uint16(st.seed.sum().lo); st.mark == PlacementMark {
		st.mark++
	}
	var err error
	switch s.By {
	case SourceIP, SrcDestIP, RPCAssociation:
		st.addr, err = newAddrStep(s)
	case Cookie:
		st.cookie, err = newCookieStep(cfg, st.seed, s)
	case Header:
		st.header = newHeaderStep(s)
		st.seed.writeField([]byte(st.header.name))
	case InsertCookie:
		st.insert, err = newInsertStep(cfg, s.Insert)
	case URLServerID:
		st.url = newURLServerStep(s)
	case CustomServerID:
		st.server, err = newServerStep(s, cfg.Members)
	case Rule:
		st.rule, err = newRuleStep(s)
		st.seed.writeField([]byte(s.Expression))
	case None, Mailbox, DestIP, SSLID, RPCConnection:
	}
	if err != nil {
		return step{}, fmt.Errorf("%s: %w", m.name, err)
	}
	return st, nil
}

// keyOf returns the key of what h has taken in. It bears the step's mark, so that
// a listing of the table can say whose binding it is.
func (s *step) keyOf(h sip) Key {
	k := h.sum()
	k.hi = k.hi&^markMask | uint64(s.mark)
	return k
}

// bindsOnRequest reports whether the key of rd is bound as soon as a request
// brings it. What a server makes is not: stickiness starts with its Set-Cookie,
// with the TLS session that it gives, or with the association of its bind_ack.
func (c *Chain) bindsOnRequest(w *Walk, rd *Reading) bool {
	switch s := &c.steps[rd.Step]; s.by {
	case SSLID:
		return w.sealed
	case Cookie:
		return s.origin != FromServer
	case RPCAssociation:
		return false
	default:
		return methods[s.by].bound
	}
}

// walker reads the keys of one request.
type walker struct {
	chain     *Chain
	sec       uint32
	request   *Request
	standings Standings
	walk      *Walk
	step      int // index of the one that reads
}

// read adds what s finds in the request: at least one reading.
func (k *walker) read(s *step) {
	if k.request.Head == nil && !methods[s.by].headless {
		k.none(Empty)
		return
	}
	switch s.by {
	case SourceIP:
		k.readSource(s)
	case Cookie:
		k.readCookies(s)
	case Header:
		k.readHeader(s)
	case InsertCookie:
		k.readInserted(s)
	case URLServerID:
		k.readURLServer(s)
	case CustomServerID:
		k.readServer(s)
	case Rule:
		k.readRule(s)
	case Mailbox:
		k.readMailbox(s)
	case DestIP, SrcDestIP:
		k.readDest(s)
	case RPCAssociation:
		k.readAssociation(s)
	case SSLID:
		k.readSession(s)
	case RPCConnection:
		k.readConnection(s)
	default:
		k.none(Empty)
	}
}

// none adds a reading without a key.
func (k *walker) none(u Use) { k.add(Reading{Use: u}) }

// names adds a reading that names the server itself, without a table.
func (k *walker) names(id balance.ServerID) {
	k.add(Reading{Server: id, Confirmed: true, Use: Unbound, Standing: k.standings.Standing(id)})
}

// key adds a reading with a key and what it is bound to.
func (k *walker) key(key Key) {
	k.bound(key, 0, k.chain.table.get(k.sec, key))
}

// bound adds a reading of a key that is bound as w says.
func (k *walker) bound(key Key, tag uint32, w word) {
	rd := Reading{Key: key, tag: tag, Use: Unbound}
	if w != 0 {
		rd.Server, rd.Confirmed, rd.Age, rd.Life = w.server(), w.confirmed(), w.age(k.sec), w.life()
		rd.Standing = k.standings.Standing(rd.Server)
	}
	k.add(rd)
}

func (k *walker) add(rd Reading) {
	rd.Step = uint8(k.step)
	k.walk.Readings[k.walk.N] = rd
	k.walk.N++
}

// room reports whether the step may add one more reading, and leave one to each
// step behind it.
func (k *walker) room() bool {
	return k.walk.N+len(k.chain.steps)-k.step <= MaxReadings
}
