package persistence

import (
	"bytes"
	"math"
	"slices"

	"casbah/internal/httphead"
)

// Clash returns the name of a cookie of casbah's own that somebody else makes too;
// empty if none was seen. It was the server, by a Set-Cookie, if set; else the
// request brought a value that casbah did not make for this place.
func (c *Chain) Clash(w *Walk) (name string, set bool) {
	if w.clash == 0 || int(w.clash) > len(c.owns) {
		return "", false
	}
	return c.owns[w.clash-1], w.clashSet
}

// noteClash notes one. What the server does tells more, so that it is not
// overwritten.
func (w *Walk) noteClash(number uint8, set bool) {
	if !w.clashSet {
		w.clash, w.clashSet = number, set
	}
}

// watchClashes notes whether the server sets a cookie of the name of casbah's own.
// The server's Set-Cookie passes as it is: of two with one name, domain and path
// a browser keeps the later one, which is casbah's; of two with different domains
// it keeps and sends both, and the one that opens counts.
func (c *Chain) watchClashes(w *Walk, resp *httphead.Response) {
	if len(c.owns) == 0 {
		return
	}
	for i := range resp.Fields {
		f := &resp.Fields[i]
		if len(f.Name) != len("set-cookie") || !httphead.EqualFold(f.Name, "set-cookie") {
			continue
		}
		name, _, _ := bytes.Cut(f.Value, []byte("="))
		name = bytes.TrimSpace(name)
		if j := slices.IndexFunc(c.owns, func(own string) bool { return own == string(name) }); j >= 0 {
			w.noteClash(uint8(j+1), true)
		}
	}
}

// numberOwn gives the cookies that the steps set themselves their numbers, from 1,
// and returns their names.
func numberOwn(steps []step) []string {
	var names []string
	number := func(o *ownCookie) {
		if len(names) < math.MaxUint8 {
			names = append(names, o.name)
			o.number = uint8(len(names))
		}
	}
	for i := range steps {
		if s := &steps[i]; s.insert != nil {
			number(&s.insert.ownCookie)
		}
		for j := range steps[i].cookie.names {
			if m := steps[i].cookie.names[j].mate; m != nil {
				number(&m.ownCookie)
			}
		}
	}
	return names
}
