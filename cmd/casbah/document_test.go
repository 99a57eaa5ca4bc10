package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence     = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```$")
	shellLine = regexp.MustCompile(`(?m)^(?:\$ |# )?(?:sudo |watch )?(?:\./)?casbah (.*)$`)
	span      = regexp.MustCompile("`casbah ([^`]+)`")
	quoted    = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	flagWord  = regexp.MustCompile(`(?:^|[\s\[|])(-[A-Za-z][A-Za-z-]*)`)
)

// Every command line of casbah that a document shows has a command and flags that
// there are.
func TestDocumentsShowCommandsThatAreThere(t *testing.T) {
	paths := []string{"../../README.md", "../../CONTRIBUTING.md", "../../CHANGELOG.md"}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(paths, docs...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			found++
			if wrong := wrongWords(t, line); wrong != "" {
				t.Errorf("%s: casbah %s: there is no %s", filepath.Base(path), line, wrong)
			}
		}
	}
	if found < 50 {
		t.Errorf("%d command lines are found", found)
	}
}

func TestCommandLinesOfADocument(t *testing.T) {
	const doc = "`casbah probe -never SERVER` and\n```\n$ casbah drain cas1 -firm -why \"not -this\" # -nor this\nsudo ./casbah nothing && casbah -x\n```\n"
	lines := commandLines(doc)
	if want := []string{"drain cas1 -firm -why", "nothing", "probe -never SERVER"}; !slices.Equal(lines, want) {
		t.Fatalf("lines %q; want %q", lines, want)
	}
	for i, want := range []string{"", "command nothing", "flag -never"} {
		if got := wrongWords(t, lines[i]); got != want {
			t.Errorf("%q: %q; want %q", lines[i], got, want)
		}
	}
}

// commandLines returns what stands behind casbah in the shell lines and code spans
// of a document, up to what ends a command.
func commandLines(doc string) (lines []string) {
	add := func(line string) {
		line = quoted.ReplaceAllString(line, "")
		for _, end := range []string{"&&", "#", ";", " | ", ">"} {
			line, _, _ = strings.Cut(line, end)
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	for _, block := range fence.FindAllStringSubmatch(doc, -1) {
		for _, m := range shellLine.FindAllStringSubmatch(block[1], -1) {
			add(m[1])
		}
	}
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
		add(m[1])
	}
	return lines
}

// wrongWords returns the command or flag of a line that there is not; empty: all are.
func wrongWords(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return len(words) > 0 && c.name == words[0] })
	if i < 0 {
		return "command " + strings.Join(words[:min(1, len(words))], "")
	}
	args := []string{"-h"}
	if all[i].name == "bindings" && len(words) > 1 && slices.Contains([]string{"list", "count", "delete"}, words[1]) {
		args = []string{words[1], "-h"}
	}
	var help bytes.Buffer
	_ = all[i].run(t.Context(), &terminal{out: io.Discard, err: &help}, args) // what it returns says that help was asked for
	for _, m := range flagWord.FindAllStringSubmatch(line, -1) {
		if m[1] != "-h" && !regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(m[1])+`\b`).Match(help.Bytes()) {
			return "flag " + m[1]
		}
	}
	return ""
}
