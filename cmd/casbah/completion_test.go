package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A bash that has read the script completes commands, flags, words and files.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("wants bash")
	}
	var script bytes.Buffer
	if code := run(t.Context(), []string{"completion", "bash"}, &terminal{out: &script, err: &script}); code != exitDone {
		t.Fatalf("completion = %d: %s", code, &script)
	}
	for _, tt := range []struct {
		name string
		line []string // the last word is completed
		want []string
	}{
		{"command", []string{"re"}, []string{"ready", "reload"}},
		{"all-commands", []string{""}, commandNames()},
		{"flags", []string{"serve", "-"}, []string{"-c", "-cpuprofile"}},
		{"one-flag", []string{"status", "-w"}, []string{"-watch"}},
		{"flags-of-a-client", []string{"reload", "-a"}, []string{"-admin"}},
		{"words", []string{"bindings", "d"}, []string{"delete"}},
		{"profile-of-a-flag", []string{"bindings", "-profile", "outl"}, []string{"outlook_anywhere"}},
		{"profile", []string{"profiles", "ow"}, []string{"owa"}},
		{"profile-to-probe", []string{"probe", "ow"}, []string{"owa"}},
		{"file", []string{"check", "-c", "completion_te"}, []string{"completion_test.go"}},
		{"nothing", []string{"reload", "x"}, nil},
		{"no-command", []string{"srve", ""}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			words := append([]string{"casbah"}, tt.line...)
			ask := "\nCOMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n_casbah\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
			out, err := exec.CommandContext(t.Context(), bash, append([]string{"-euc", script.String() + ask, "bash"}, words...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := strings.Fields(string(out)); !slices.Equal(got, tt.want) {
				t.Errorf("completions of %q = %q; want %q", tt.line, got, tt.want)
			}
		})
	}
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}
