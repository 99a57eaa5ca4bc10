package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"casbah/balance"
	"casbah/internal/httphead"
)

// maxOwnID is the longest ID of a server's own, in octets.
const maxOwnID = 64

// serverStep is step server_id: a server is named by the ID that the
// configuration gave it.
type serverStep struct {
	name string // of the parameter, header or cookie; a header's in lower case
	in   Place
	ids  map[string]balance.ServerID // by own ID
}

func newServerStep(s Step, members []Member) (*serverStep, error) {
	st := &serverStep{name: s.Name, in: s.In, ids: make(map[string]balance.ServerID)}
	if s.In == InHeader {
		st.name = strings.ToLower(s.Name)
	}
	for i := range members {
		m := &members[i]
		switch {
		case m.OwnID == "":
			continue
		case len(m.OwnID) > maxOwnID:
			return nil, fmt.Errorf("server %s: want an ID of at most %d octets", m.Name, maxOwnID)
		case st.ids[m.OwnID] != 0:
			return nil, fmt.Errorf("server %s: want an ID that no other server has, got %q", m.Name, m.OwnID)
		}
		st.ids[m.OwnID] = m.ID
	}
	if len(st.ids) == 0 {
		return nil, errors.New("want servers with an ID of their own")
	}
	return st, nil
}

// readServer reads the first value of the step's name that names a member.
func (k *walker) readServer(s *step) {
	h := idHunt{step: s.server, why: Absent}
	switch s.server.in {
	case InQuery:
		h.query(k.request.Head)
	case InHeader:
		h.headers(k.request.Head)
	case InCookie:
		h.cookies(k.request.Head)
	}
	if h.id != 0 {
		k.names(h.id)
		return
	}
	k.none(h.why)
}

// idHunt looks for the first value that names a member.
type idHunt struct {
	step  *serverStep
	id    balance.ServerID // 0 until it is found
	tried int
	why   Use // what to say if it is not
}

// over takes a value, and reports whether the hunt is over.
func (h *idHunt) over(value []byte) bool {
	if h.tried++; h.tried > maxServerIDs {
		return true
	}
	h.why = Foreign
	if len(value) <= maxOwnID {
		h.id = h.step.ids[string(value)]
	}
	return h.id != 0
}

func (h *idHunt) query(head *httphead.Request) {
	for p := range httphead.Parameters(head.Query) {
		name, value, ok := bytes.Cut(p, equals)
		if ok && string(name) == h.step.name && h.over(value) {
			return
		}
	}
}

var equals = []byte("=")

func (h *idHunt) headers(head *httphead.Request) {
	for i := range head.Fields {
		f := &head.Fields[i]
		if httphead.EqualFold(f.Name, h.step.name) && h.over(f.Value) {
			return
		}
	}
}

func (h *idHunt) cookies(head *httphead.Request) {
	for i := range head.Fields {
		f := &head.Fields[i]
		if !httphead.EqualFold(f.Name, "cookie") {
			continue
		}
		for name, value := range httphead.Cookies(f.Value) {
			if string(name) == h.step.name && h.over(value) {
				return
			}
		}
	}
}
