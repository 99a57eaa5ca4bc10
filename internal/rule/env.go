package rule

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"

	"casbah/internal/httphead"
)

// env is what an expression can name. The library reads exported fields only,
// and calls functions of these types without reflection.
type env struct {
	Method string              `expr:"method"` // as it stands
	Host   string              `expr:"host"`   // in lower case, without a port
	Path   string              `expr:"path"`   // as it stands
	Query  string              `expr:"query"`  // behind the question mark, as it stands
	Source string              `expr:"source"` // the client's address
	Header func(string) string `expr:"header"` // the first header field of a name, in any case
	Cookie func(string) string `expr:"cookie"` // the first cookie of a name
	Param  func(string) string `expr:"param"`  // the first query parameter of a name, decoded
}

// evaluator runs one expression at a time.
type evaluator struct {
	machine vm.VM
	env     env
	head    *httphead.Request // of the request at hand
	over    bool              // a value was too long
}

// evaluators keeps what an evaluation needs: the stack of the machine, and the
// functions of the environment, which name their evaluator.
var evaluators = sync.Pool{New: func() any {
	ev := &evaluator{machine: vm.VM{MemoryBudget: maxMemory}}
	ev.env.Header, ev.env.Cookie, ev.env.Param = ev.header, ev.cookie, ev.param
	return ev
}}

func getEvaluator() *evaluator { return evaluators.Get().(*evaluator) }

// putEvaluator takes ev back, without anything of the request.
func putEvaluator(ev *evaluator) {
	ev.env.Method, ev.env.Host, ev.env.Path, ev.env.Query, ev.env.Source = "", "", "", "", ""
	ev.head, ev.over = nil, false
	clear(ev.machine.Stack[:cap(ev.machine.Stack)])
	evaluators.Put(ev)
}

// fill sets the values that the expression uses.
func (ev *evaluator) fill(uses map[string]bool, head *httphead.Request, source netip.Addr) {
	ev.head = head
	if uses["method"] {
		ev.env.Method = ev.text(head.Method)
	}
	if uses["host"] {
		ev.env.Host = strings.ToLower(ev.text(withoutPort(head.Host)))
	}
	if uses["path"] {
		ev.env.Path = ev.text(head.Path)
	}
	if uses["query"] {
		ev.env.Query = ev.text(head.Query)
	}
	if uses["source"] && source.IsValid() {
		ev.env.Source = source.Unmap().String()
	}
}

// text returns octets of the request as a string.
func (ev *evaluator) text(b []byte) string {
	if len(b) > maxInput {
		ev.over = true
		return ""
	}
	return string(b)
}

func (ev *evaluator) header(name string) string {
	value, _ := ev.head.Value(strings.ToLower(name))
	return ev.text(value)
}

func (ev *evaluator) cookie(name string) string {
	value, _ := ev.head.Cookie(name)
	return ev.text(value)
}

func (ev *evaluator) param(name string) string {
	for p := range httphead.Parameters(ev.head.Query) {
		key, value, _ := bytes.Cut(p, equals)
		if len(key) <= maxInput && decoded(string(key)) == name {
			return decoded(ev.text(value))
		}
	}
	return ""
}

var equals = []byte("=")

// decoded returns a name or value of a query without its escapes; one with an
// escape that is none, as it stands.
func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// withoutPort returns the host of a Host header, an IPv6 address in brackets.
func withoutPort(host []byte) []byte {
	for i := len(host) - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			return host[:i]
		}
	}
	return host
}
