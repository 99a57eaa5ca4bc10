package persistence

import (
	"errors"

	"casbah/internal/httphead"
)

// anyCookie is the name that stands for every cookie.
const anyCookie = "*"

// maxAnyCookies bounds the cookies of one request that a step "*" looks up.
const maxAnyCookies = 32

// cookieStep is step cookie.
type cookieStep struct {
	names []cookieName // the step's own, then those of the group
	any   bool         // "*"
}

// cookieName is a name that the step knows.
type cookieName struct {
	name string
	seed sip
	tag  uint32
	mate *companion // nil without
}

func newCookieStep(cfg *Config, seed sip, s Step) (cookieStep, error) {
	if s.Name == anyCookie {
		if s.Origin == FromClient {
			return cookieStep{}, errors.New(`name: want a name where the client makes the cookie, got "*"`)
		}
		if len(s.Companions) > 0 {
			return cookieStep{}, errors.New(`name: want a name where casbah adds a companion, got "*"`)
		}
		return cookieStep{any: true}, nil
	}
	var c cookieStep
	for _, name := range append([]string{s.Name}, s.Also...) {
		h := nameSeed(seed, []byte(name))
		mate, err := companionOf(cfg, s, name, tagOf(h))
		if err != nil {
			return cookieStep{}, err
		}
		c.names = append(c.names, cookieName{name: name, seed: h, tag: tagOf(h), mate: mate})
	}
	return c, nil
}

// nameSeed returns the hash that the keys of the named cookie begin with.
func nameSeed(seed sip, name []byte) sip {
	seed.writeField(name)
	return seed
}

// tagOf tells the names of cookies apart in a walk, which has no room for names.
func tagOf(seed sip) uint32 { return uint32(seed.sum().lo) }

// seedOf returns the seed and tag of a cookie, and false if the step does not
// read it.
func (s *step) seedOf(name []byte) (seed sip, tag uint32, ok bool) {
	if s.cookie.any {
		seed = nameSeed(s.seed, name)
		return seed, tagOf(seed), true
	}
	for i := range s.cookie.names {
		if n := &s.cookie.names[i]; string(name) == n.name {
			return n.seed, n.tag, true
		}
	}
	return sip{}, 0, false
}

// owns reports whether name is the step's own, not one of its group or any.
func (c *cookieStep) owns(name []byte) bool {
	return !c.any && string(name) == c.names[0].name
}

// readCookies reads the application's cookies. The step's own makes a reading in
// any case, others where they are bound.
func (k *walker) readCookies(s *step) {
	before := k.walk.N
	own, looked := Reading{Use: Absent}, 0
	for i := range k.request.Head.Fields {
		f := &k.request.Head.Fields[i]
		if !httphead.EqualFold(f.Name, "cookie") {
			continue
		}
		for name, value := range httphead.Cookies(f.Value) {
			if looked == maxAnyCookies {
				break
			}
			if k.readCookie(s, name, value, &own) {
				looked++
			}
		}
	}
	if s.cookie.any && looked > 0 {
		own.Use = Unbound
	}
	if k.walk.N == before || !own.Key.IsZero() && k.room() {
		k.add(own)
	}
	k.readCompanions(s)
}

// readCookie makes a reading of a cookie that is bound. One that is not is kept in
// own if it is the step's, and the first of them. It returns false if the step
// does not read such a cookie.
func (k *walker) readCookie(s *step, name, value []byte, own *Reading) bool {
	seed, tag, ok := s.seedOf(name)
	if !ok || len(value) == 0 {
		return false
	}
	seed.write(value)
	key := s.keyOf(seed)
	w := k.chain.table.get(k.sec, key)
	switch {
	case w != 0 && k.room():
		k.bound(key, tag, w)
	case w == 0 && own.Key.IsZero() && s.cookie.owns(name):
		*own = Reading{Key: key, tag: tag, Use: Unbound}
	}
	return true
}

// learnCookies takes in what the server sets and deletes of the cookies that
// step i reads.
func (c *Chain) learnCookies(now int64, w *Walk, i int, resp *httphead.Response) {
	s := &c.steps[i]
	if s.origin == FromClient {
		return
	}
	for j := range resp.Fields {
		f := &resp.Fields[j]
		if !httphead.EqualFold(f.Name, "set-cookie") {
			continue
		}
		set, ok := httphead.ParseSetCookie(f.Value, now)
		if !ok {
			continue
		}
		seed, tag, ok := s.seedOf(set.Name)
		if !ok {
			continue
		}
		seed.write(set.Value)
		switch {
		case set.Expired:
			c.forget(w, i, tag)
		case len(set.Value) > 0:
			c.table.bind(&order{
				key: s.keyOf(seed), word: newWord(w.served, seconds(now), true, c.idle),
				move: true, full: c.full,
			})
		}
	}
}

// forget ends the bindings of the deleted cookie that the request brought to
// step i: the Set-Cookie that deletes a cookie does not repeat its value.
func (c *Chain) forget(w *Walk, i int, tag uint32) {
	for j := range w.Readings[:w.N] {
		rd := &w.Readings[j]
		if int(rd.Step) == i && rd.tag == tag && !rd.Key.IsZero() && rd.own == notOwn {
			c.table.drop(rd.Key)
		}
	}
}
