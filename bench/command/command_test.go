package command

import (
	"flag"
	"io"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"none", nil, ""},
		{"flag", []string{"-n", "3"}, ""},
		{"argument", []string{"-n", "3", "more"}, `unknown argument "more"`},
		{"unknown-flag", []string{"-m"}, "flag provided but not defined: -m"},
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		n := fs.Int("n", 0, "")
		got := ""
		if err := Parse(fs, tt.args); err != nil {
			got = err.Error()
		}
		if got != tt.want || got == "" && len(tt.args) > 0 && *n != 3 {
			t.Errorf("%s: Parse(%q) = %q, n = %d; want %q", tt.name, tt.args, got, *n, tt.want)
		}
	}
}
