package httphead

import (
	"slices"
	"testing"
)

func TestParameters(t *testing.T) {
	for query, want := range map[string][]string{
		"":                nil,
		"a":               {"a"},
		"a=1":             {"a=1"},
		"a=1&b=2;c=3":     {"a=1", "b=2", "c=3"},
		"&&a=1;&;b=&":     {"a=1", "b="},
		"a=1%26b=2?c/d=e": {"a=1%26b=2?c/d=e"},
	} {
		var got []string
		for p := range Parameters([]byte(query)) {
			got = append(got, string(p))
		}
		if !slices.Equal(got, want) {
			t.Errorf("Parameters(%q) = %q; want %q", query, got, want)
		}
	}
	for p := range Parameters([]byte("a&b")) {
		if string(p) != "a" {
			t.Errorf("goes on to %q after the end", p)
		}
		break
	}
}
