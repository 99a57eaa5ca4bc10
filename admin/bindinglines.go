package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"casbah/node"
)

// chunkBytes is how much of a listing is written at once.
const chunkBytes = 32 << 10

// bindingLines writes bindings as JSON lines: each the JSON of a Binding, made
// without reflection because there may be millions.
type bindingLines struct {
	w       http.ResponseWriter
	out     *http.ResponseController
	timeout time.Duration // for the client to take a chunk
	buf     []byte
	gone    bool // the client does not take them any more

	owners  map[*node.BindingOwner][]byte // the end of a line
	servers map[string][]byte             // in JSON
}

func newBindingLines(w http.ResponseWriter, timeout time.Duration) *bindingLines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &bindingLines{
		w: w, out: http.NewResponseController(w), timeout: timeout, buf: make([]byte, 0, chunkBytes),
		owners: make(map[*node.BindingOwner][]byte), servers: make(map[string][]byte),
	}
}

// add adds a line, and reports whether the client is still there.
func (l *bindingLines) add(b *node.Binding) bool {
	server, ok := l.servers[b.Server]
	if !ok {
		server = jsonOf(b.Server)
		l.servers[b.Server] = server
	}
	owner, ok := l.owners[b.Owner]
	if !ok {
		owner = jsonOf(ownerOf(b.Owner))[1:] // it goes on after the brace
		l.owners[b.Owner] = owner
	}
	l.buf = append(l.buf, `{"key":"`...)
	l.buf = b.Key.AppendTo(l.buf)
	l.buf = append(l.buf, `","server":`...)
	l.buf = append(l.buf, server...)
	l.buf = append(l.buf, `,"age_seconds":`...)
	l.buf = strconv.AppendInt(l.buf, int64(b.Age/time.Second), 10)
	l.buf = append(l.buf, `,"left_seconds":`...)
	l.buf = strconv.AppendInt(l.buf, int64(b.Left/time.Second), 10)
	l.buf = append(l.buf, `,"confirmed":`...)
	l.buf = strconv.AppendBool(l.buf, b.Confirmed)
	l.buf = append(l.buf, ',')
	l.buf = append(l.buf, owner...)
	l.buf = append(l.buf, '\n')
	if len(l.buf) < chunkBytes*3/4 {
		return true
	}
	return l.flush()
}

// end writes what is left and the last line.
func (l *bindingLines) end(last EndOfBindings) {
	if !l.gone {
		l.buf = append(append(l.buf, jsonOf(last)...), '\n')
		l.flush()
	}
}

// flush writes what is there. A client that does not take it in time is cut.
func (l *bindingLines) flush() bool {
	l.gone = l.out.SetWriteDeadline(time.Now().Add(l.timeout)) != nil
	if !l.gone {
		_, err := l.w.Write(l.buf)
		l.gone = err != nil
	}
	l.buf = l.buf[:0]
	return !l.gone
}

// jsonOf returns the JSON of plain values, which always encode.
func jsonOf(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return text
}

func ownerOf(o *node.BindingOwner) BindingOwner {
	return BindingOwner{
		Step: o.Step(), VIPs: list(o.VIPs), Profiles: list(o.Profiles), Scope: strings.Join(o.Scopes, " or "),
	}
}

func bindingOf(b *node.Binding) Binding {
	row := Binding{
		Server: b.Server, Age: int64(b.Age / time.Second), Left: int64(b.Left / time.Second), Confirmed: b.Confirmed,
		BindingOwner: ownerOf(b.Owner),
	}
	if !b.Key.IsZero() {
		row.Key = b.Key.String()
	}
	return row
}

// bindingCountOf adds the counts up by server, by scope and by step, the most
// first.
func bindingCountOf(counts []node.BindingCount) *BindingCount {
	c := new(BindingCount)
	servers := make(map[string]int)
	steps := make(map[*node.BindingOwner]int)
	for i := range counts {
		n := &counts[i]
		c.Bindings += n.Bindings
		c.Unconfirmed += n.Unconfirmed
		servers[n.Server] += n.Bindings
		steps[n.Owner] += n.Bindings
	}
	for name, n := range servers {
		c.ByServer = append(c.ByServer, ServerCount{name, n})
	}
	scopes := make(map[string]*OwnerCount)
	for o, n := range steps {
		owner := ownerOf(o)
		c.ByStep = append(c.ByStep, OwnerCount{owner, n})
		sum := scopes[owner.Scope]
		if sum == nil {
			owner.Step = ""
			sum = &OwnerCount{BindingOwner: owner}
			scopes[owner.Scope] = sum
		}
		sum.Bindings += n
		sum.VIPs, sum.Profiles = union(sum.VIPs, owner.VIPs), union(sum.Profiles, owner.Profiles)
	}
	for _, sum := range scopes {
		c.ByScope = append(c.ByScope, *sum)
	}
	return c.sorted()
}

// sorted puts lists into their order, and empty ones in the place of none.
func (c *BindingCount) sorted() *BindingCount {
	byOwner := func(a, b OwnerCount) int {
		return cmp.Or(cmp.Compare(b.Bindings, a.Bindings), strings.Compare(a.Scope, b.Scope), strings.Compare(a.Step, b.Step))
	}
	slices.SortFunc(c.ByScope, byOwner)
	slices.SortFunc(c.ByStep, byOwner)
	slices.SortFunc(c.ByServer, func(a, b ServerCount) int {
		return cmp.Or(cmp.Compare(b.Bindings, a.Bindings), strings.Compare(a.Server, b.Server))
	})
	c.ByServer = append([]ServerCount{}, c.ByServer...)
	c.ByScope = append([]OwnerCount{}, c.ByScope...)
	c.ByStep = append([]OwnerCount{}, c.ByStep...)
	return c
}

// union returns a and what b has besides.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clone(a), s)
		}
	}
	return a
}
