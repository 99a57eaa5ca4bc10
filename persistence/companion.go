package persistence

import (
	"errors"
	"slices"
	"time"

	"casbah/internal/httphead"
)

// companion is the cookie of casbah's own that goes with a cookie of the
// application. It holds the server, the second of issue and a keyed hash of the
// application cookie, and counts in a request that brings that cookie with that
// value. So it keeps a session on its server without the table: when that was
// full, and after a restart.
type companion struct {
	ownCookie
	of   string // the application's cookie
	tag  uint32 // of that name
	idle uint32 // seconds that it lasts without use
	gone string // the line that deletes it
}

// companionOf returns the companion of a cookie that the step reads; nil without.
func companionOf(cfg *Config, s Step, name string, tag uint32) (*companion, error) {
	i := slices.IndexFunc(s.Companions, func(c Companion) bool { return c.Of == name })
	if i < 0 {
		return nil, nil //nolint:nilnil // most cookies have none
	}
	in := Insert{Name: s.Companions[i].Name, Path: "/", HTTPOnly: true, Secure: s.Companions[i].Secure}
	if err := in.check(); err != nil {
		return nil, err
	}
	if s.Origin == FromClient {
		return nil, errors.New("companion: want a cookie that the server sets")
	}
	own, err := newOwnCookie(cfg, cfg.Scope+"\x00companion\x00"+name, in)
	return &companion{
		ownCookie: own, of: name, tag: tag, idle: uint32(cfg.Timeout / time.Second),
		gone: own.before + "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0" + own.after,
	}, err
}

// mateOf returns what a companion sealed under key holds of the application cookie.
func (m *companion) mateOf(key int, value []byte) Key {
	h := newSip(m.sealer.keys[key].mate)
	h.writeField(m.scope)
	h.write(value)
	return h.sum()
}

// readCompanions makes a reading of each companion of the step's cookies that
// counts.
func (k *walker) readCompanions(s *step) {
	for i := range s.cookie.names {
		if m := s.cookie.names[i].mate; m != nil && k.room() {
			k.readCompanion(m)
		}
	}
}

// readCompanion makes a reading of the first companion that opens and whose
// application cookie the request brings.
func (k *walker) readCompanion(m *companion) {
	tried := 0
	eachNamed(k.request.Head, m.name, func(value []byte) bool {
		if tried++; tried > maxInserted {
			return false
		}
		o, ok := m.sealer.open(value, m.scope, k.chain.members)
		if !ok {
			k.walk.noteClash(m.number, false)
		}
		if !ok || o.member < 0 {
			return true
		}
		rd := Reading{
			Server: k.chain.members[o.member].ID, Age: age(k.sec, o.issued), Life: m.idle, tag: m.tag,
			Confirmed: true, Use: Unbound, own: ownIssued,
		}
		if rd.Key, ok = k.brings(m, o); !ok || rd.Age > m.idle {
			return true
		}
		if o.key > 0 {
			rd.own = ownRenewed
		}
		rd.Standing = k.standings.Standing(rd.Server)
		k.add(rd)
		return false
	})
}

// brings reports whether the request brings the application cookie for which the
// companion was made, and what a new companion holds of it.
func (k *walker) brings(m *companion, o opened) (mate Key, found bool) {
	looked := 0
	eachNamed(k.request.Head, m.of, func(value []byte) bool {
		if looked++; len(value) > 0 && m.mateOf(o.key, value) == o.mate {
			mate, found = m.mateOf(0, value), true
		}
		return !found && looked < maxInserted
	})
	return mate, found
}

// accompany appends the lines of the companions of step i: of a cookie that the
// server sets, or sets to another value, a new one; of a cookie that it deletes,
// the end.
func (c *Chain) accompany(now int64, w *Walk, i int, resp *httphead.Response, lines []byte) []byte {
	for j := range c.steps[i].cookie.names {
		m := c.steps[i].cookie.names[j].mate
		if m == nil {
			continue
		}
		switch set, ok := lastSet(resp, m.of, now); {
		case !ok:
			lines = c.renewCompanion(seconds(now), w, i, m, lines)
		case set.Expired || len(set.Value) == 0:
			lines = append(lines, m.gone...)
		default:
			lines = c.issueCompanion(seconds(now), w, m, m.mateOf(0, set.Value), lines)
		}
	}
	return lines
}

// lastSet returns what the response says last of the cookie of that name: a
// server may delete a cookie and set it again.
func lastSet(resp *httphead.Response, name string, now int64) (last httphead.SetCookie, ok bool) {
	for i := range resp.Fields {
		f := &resp.Fields[i]
		if len(f.Name) != len("set-cookie") || !httphead.EqualFold(f.Name, "set-cookie") {
			continue
		}
		if set, is := httphead.ParseSetCookie(f.Value, now); is && string(set.Name) == name {
			last, ok = set, true
		}
	}
	return last, ok
}

// issueCompanion appends the line of the companion that names the server which
// serves the request.
func (c *Chain) issueCompanion(sec uint32, w *Walk, m *companion, mate Key, lines []byte) []byte {
	server := c.member(w.served)
	if server == nil {
		return lines
	}
	lines = append(lines, m.before...)
	lines = m.sealer.appendSeal(lines, m.scope, server.Name, sec, mate)
	return append(lines, m.after...)
}

// renewCompanion issues anew a companion that the request brought, if its time or
// passphrase is an old one, or if its server is gone and another one serves.
func (c *Chain) renewCompanion(sec uint32, w *Walk, i int, m *companion, lines []byte) []byte {
	for j := range w.Readings[:w.N] {
		rd := &w.Readings[j]
		if int(rd.Step) != i || rd.own == notOwn || rd.tag != m.tag {
			continue
		}
		moved := rd.Standing == Gone && rd.Server != w.served
		if moved || rd.Server == w.served && !rd.young(w, sec, m.idle) {
			return c.issueCompanion(sec, w, m, rd.Key, lines)
		}
	}
	return lines
}
