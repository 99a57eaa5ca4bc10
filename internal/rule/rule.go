// Package rule compiles and evaluates the expressions of rule steps: a text over
// a request, in the language of github.com/expr-lang/expr without its loops. The
// configuration is checked with it, and the chain runs it.
//
// Work and memory are bounded by the text alone, whatever a client sends: no
// loop, no variable, no function whose result can be much longer than what it is
// given, no pattern that comes out of the request, and no long value.
package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"casbah/internal/httphead"
)

// The bounds of an expression.
const (
	MaxText   = 1024   // octets of the expression
	MaxResult = 512    // octets of its value; a longer one is none
	maxInput  = 4096   // octets of one value of the request; with a longer one there is no result
	maxNodes  = 200    // operators, names, values and calls
	maxMemory = 10_000 // elements of all lists of one evaluation
)

// Rule is a compiled expression. It is safe for concurrent use.
type Rule struct {
	program *vm.Program
	uses    map[string]bool // the names in it
}

// Compile compiles text, whose value has to be a string. The error is one line:
// what is wrong, and where in the text.
func Compile(text string) (r *Rule, err error) {
	defer func() {
		if p := recover(); p != nil { // the library gave up on it
			r, err = nil, fmt.Errorf("not an expression: %v", p)
		}
	}()
	if len(text) > MaxText {
		return nil, fmt.Errorf("longer than %d octets", MaxText)
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, oneLine(err)
	}
	l := limits{uses: make(map[string]bool)}
	if err := l.check(tree); err != nil {
		return nil, oneLine(err)
	}
	program, err := expr.Compile(text, expr.Env(&env{}), expr.MaxNodes(maxNodes), expr.AsKind(reflect.String), expr.WarnOnAny())
	if err != nil {
		return nil, oneLine(err)
	}
	return &Rule{program: program, uses: l.uses}, nil
}

// oneLine leaves out the picture of the text that the library draws below its
// messages.
func oneLine(err error) error {
	e, ok := errors.AsType[*file.Error](err)
	if !ok {
		return errors.New(printable(err.Error()))
	}
	message := printable(e.Message)
	if e.Line == 0 {
		return errors.New(message)
	}
	return fmt.Errorf("%s, at %d:%d of the text", message, e.Line, e.Column+1)
}

// printable returns a message on one line: it can hold what the text holds.
func printable(message string) string {
	const most = 200 // octets
	message = strings.Join(strings.Fields(message), " ")
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, message[:min(len(message), most)])
}

// Eval returns the value of the rule for a request; empty is none. It reports
// false if there is no value: the evaluation failed, or something was too long.
func (r *Rule) Eval(head *httphead.Request, source netip.Addr) (value string, ok bool) {
	ev := getEvaluator()
	defer func() {
		if recover() != nil { // whatever the library does, the request goes on
			value, ok = "", false
			return
		}
		putEvaluator(ev)
	}()
	ev.fill(r.uses, head, source)
	out, err := ev.machine.Run(r.program, &ev.env)
	value, ok = out.(string)
	if err != nil || !ok || ev.over || len(value) > MaxResult {
		return "", false
	}
	return value, true
}
