package persistence

import (
	"errors"

	"casbah/internal/rule"
)

// newRuleStep compiles the expression of step rule.
func newRuleStep(s Step) (*rule.Rule, error) {
	if s.Expression == "" {
		return nil, errors.New("expression: want one")
	}
	return rule.Compile(s.Expression)
}

// readRule reads the value of the step's expression. It is the one step that
// allocates.
func (k *walker) readRule(s *step) {
	value, ok := s.rule.Eval(k.request.Head, k.request.Source)
	switch {
	case !ok:
		k.none(Unreadable)
	case value == "":
		k.none(Absent)
	default:
		h := s.seed
		h.write([]byte(value))
		k.key(s.keyOf(h))
	}
}
