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
		answers string // + good, - bad, o orderly off
		states  string // U up, D down, O off after each answer; lower case if it did not change
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
		{"first-off", Streak{Rise: 2, Fall: 3}, "oo", "Oo"},
		{"off-at-the-third", Streak{Rise: 2, Fall: 3}, "+ooo", "UuuO"},
		{"dies-in-the-end", Streak{Rise: 2, Fall: 3}, "+ooo---", "UuuOooD"},
		{"the-last-word-counts", Streak{Rise: 2, Fall: 3}, "+o-o", "UuuO"},
		{"off-and-not-dead-yet", Streak{Rise: 2, Fall: 3}, "o--o---", "OoooooD"},
		{"good-between-is-no-death", Streak{Rise: 2, Fall: 3}, "o--+--", "Oooooo"},
		{"back-from-off", Streak{Rise: 2, Fall: 3}, "o+++", "OoUu"},
		{"starts-while-off", Streak{Rise: 2, Fall: 3}, "-ooo++", "DddOoU"},
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
		from            Answer
		answers, states string
	}{
		{Good, "---", "uuD"},
		{Bad, "++", "dU"},
		{Orderly, "---", "ooD"},
	} {
		s := Streak{Rise: 2, Fall: 3}
		s.Resume(tt.from)
		if got := run(&s, tt.answers); got != tt.states {
			t.Errorf("resumed from %v, after %s: %s; want %s", tt.from, tt.answers, got, tt.states)
		}
	}
}

// run feeds answers to s and renders the states as in TestStreak.
func run(s *Streak, answers string) string {
	var got []byte
	for _, c := range answers {
		now, changed := s.Observe(map[rune]Answer{'+': Good, 'o': Orderly, '-': Bad}[c])
		word := "uod"[now]
		if changed {
			word -= 'a' - 'A'
		}
		got = append(got, word)
	}
	return string(got)
}
