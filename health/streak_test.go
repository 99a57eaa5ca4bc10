package health

import (
	"errors"
	"testing"
)

var errBad = errors.New("bad")

func TestStreak(t *testing.T) {
	tests := []struct {
		name    string
		streak  Streak
		answers string // + good, - bad
		states  string // U up, D down after each answer; lower case if it did not change
	}{
		{"first-good", Streak{Rise: 2, Fall: 3}, "++", "Uu"},
		{"first-bad", Streak{Rise: 2, Fall: 3}, "--", "Dd"},
		{"falls-at-the-third", Streak{Rise: 2, Fall: 3}, "+---", "UuuD"},
		{"good-answer-starts-over", Streak{Rise: 2, Fall: 3}, "+--+---", "UuuuuuD"},
		{"rises-at-the-second", Streak{Rise: 2, Fall: 3}, "-++", "DdU"},
		{"bad-answer-starts-over", Streak{Rise: 2, Fall: 3}, "-+-++", "DdddU"},
		{"at-once", Streak{Rise: 1, Fall: 1}, "+-+-", "UDUD"},
		{"zero-is-one", Streak{}, "+-+", "UDU"},
		{"there-and-back", Streak{Rise: 2, Fall: 2}, "+--++--", "UuDdUuD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(&tt.streak, tt.answers); got != tt.states {
				t.Errorf("after %s: %s; want %s", tt.answers, got, tt.states)
			}
		})
	}
}

// After a reload one bad answer is one of three, as it was before.
func TestStreakResumes(t *testing.T) {
	for _, tt := range []struct {
		up              bool
		answers, states string
	}{
		{true, "---", "uuD"},
		{false, "++", "dU"},
	} {
		s := Streak{Rise: 2, Fall: 3}
		s.Resume(tt.up)
		if got := run(&s, tt.answers); got != tt.states {
			t.Errorf("resumed with up %v, after %s: %s; want %s", tt.up, tt.answers, got, tt.states)
		}
	}
}

// run feeds answers to s and renders the states as in TestStreak.
func run(s *Streak, answers string) string {
	var got []byte
	for _, a := range answers {
		var err error
		if a == '-' {
			err = errBad
		}
		up, changed := s.Observe(err)
		c := byte('d')
		if up {
			c = 'u'
		}
		if changed {
			c -= 'a' - 'A'
		}
		got = append(got, c)
	}
	return string(got)
}
