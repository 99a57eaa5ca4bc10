package rule

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// functions are those of the language that an expression may call: none whose
// time or result grows faster than what it is given, no clock, no loop.
var functions = []string{
	"hasPrefix", "hasSuffix", "indexOf", "int", "lastIndexOf", "len", "lower", "split", "string", "trim",
	"trimPrefix", "trimSuffix", "upper",
}

// literal names the functions whose second argument has to stand in the
// expression: out of a request it could make them slow.
var literal = []string{"trim", "split"}

// limits walks the tree of an expression, and finds what it must not hold.
type limits struct {
	uses     map[string]bool
	uncalled []*ast.IdentifierNode // names of functions whose calls have not been met
	err      *file.Error           // the first
}

// check returns an error that names the first thing refused, and where it stands.
func (l *limits) check(tree *parser.Tree) error {
	ast.Walk(&tree.Node, l)
	for _, n := range l.uncalled {
		l.refuse(n, n.Value+` wants a name in brackets, such as header("Host")`)
	}
	if l.err == nil {
		return nil
	}
	return l.err.Bind(tree.Source)
}

// Visit serves ast.Walk.
func (l *limits) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.UnaryNode,
		*ast.ChainNode, *ast.MemberNode, *ast.SliceNode, *ast.ConditionalNode, *ast.ArrayNode:
	case *ast.IdentifierNode:
		l.name(n)
	case *ast.CallNode:
		l.uncalled = slices.DeleteFunc(l.uncalled, func(name *ast.IdentifierNode) bool { return n.Callee == name })
	case *ast.BinaryNode:
		l.binary(n)
	case *ast.BuiltinNode:
		l.call(n)
	case *ast.PredicateNode, *ast.PointerNode:
		l.refuse(n, "loops are not available")
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		l.refuse(n, "variables and sequences are not available")
	default:
		l.refuse(n, "maps and octets are not available")
	}
}

// name takes a name. A function that is not called has no value that stays.
func (l *limits) name(n *ast.IdentifierNode) {
	l.uses[n.Value] = true
	switch n.Value {
	case "header", "cookie", "param":
		l.uncalled = append(l.uncalled, n)
	case "$env":
		l.refuse(n, "$env is not available")
	}
}

func (l *limits) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		l.refuse(n, "ranges are not available")
	case "matches":
		if !isText(n.Right) {
			l.refuse(n, "the pattern of matches must be a text in quotes")
		}
	}
}

func (l *limits) call(n *ast.BuiltinNode) {
	switch {
	case !slices.Contains(functions, n.Name):
		l.refuse(n, n.Name+" is not available")
	case slices.Contains(literal, n.Name) && len(n.Arguments) > 1 && !isText(n.Arguments[1]):
		l.refuse(n, fmt.Sprintf("the second argument of %s must be a text in quotes", n.Name))
	}
}

func isText(n ast.Node) bool {
	_, ok := n.(*ast.StringNode)
	return ok
}

func (l *limits) refuse(n ast.Node, message string) {
	if l.err == nil {
		l.err = &file.Error{Location: n.Location(), Message: message}
	}
}
