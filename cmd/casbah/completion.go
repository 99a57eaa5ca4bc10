package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"casbah/internal/logs"
	"casbah/profiles"
)

// fileFlags are followed by the path of a file.
const fileFlags = "-c|-token-file|-cpuprofile"

// helpFlag is a flag in the help of a command.
var helpFlag = regexp.MustCompile(`(?m)^  (-[A-Za-z0-9-]+)`)

// completion prints what teaches a shell the commands and their flags.
func completion(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "completion", "bash")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if fs.Arg(0) != "bash" {
		fmt.Fprintf(t.err, "casbah completion: want bash, got %q\n", fs.Arg(0))
		fs.Usage()
		return errUsage
	}
	printBash(ctx, t.out)
	return nil
}

// printBash writes a script for bash, made of what the commands themselves say of
// their flags.
func printBash(ctx context.Context, out io.Writer) {
	var names, cases strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&names, " %s", c.name)
		fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", c.name, strings.TrimSpace(operandsOf(&c)+" "+strings.Join(flagsOf(ctx, &c), " ")))
	}
	fmt.Fprintf(out, `# Completion of casbah for bash: source <(casbah completion bash)
_casbah() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
	COMPREPLY=()
	case $prev in
	%s) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	-profile) mapfile -t COMPREPLY < <(compgen -W %q -- "$cur"); return ;;
	esac
	case ${COMP_WORDS[1]} in
%s	esac
	if ((COMP_CWORD == 1)); then
		words=%q
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _casbah casbah
`, fileFlags, shippedNames(), cases.String(), strings.TrimSpace(names.String()))
}

// flagsOf returns the flags of a command, as its help tells them.
func flagsOf(ctx context.Context, c *command) []string {
	var help bytes.Buffer
	_ = c.run(ctx, &terminal{out: io.Discard, err: &help}, []string{"-h"}) // what it returns says that help was asked for
	var flags []string
	for _, m := range helpFlag.FindAllStringSubmatch(help.String(), -1) {
		flags = append(flags, m[1])
	}
	return flags
}

// operandsOf returns the words that a command takes besides its flags: those of
// its usage that are written in small letters, and the names of profiles.
func operandsOf(c *command) string {
	switch c.name {
	case "profiles", "probe", "timeout":
		return shippedNames()
	case "completion":
		return "bash"
	case "log":
		return strings.Join(slices.Concat([]string{"all"}, logs.Parts(), logs.Levels, []string{"file"}), " ")
	}
	var words []string
	if list, ok := strings.CutPrefix(c.args, "["); ok {
		list, _, _ = strings.Cut(list, "]")
		for word := range strings.SplitSeq(list, "|") {
			if operand.MatchString(word) {
				words = append(words, word)
			}
		}
	}
	return strings.Join(words, " ")
}

// operand is a word of a usage that stands for itself.
var operand = regexp.MustCompile(`^[a-z]+$`)

// shippedNames are the names of the profiles that ship.
func shippedNames() string {
	return strings.Join(slices.Sorted(maps.Keys(profiles.Default().Profiles)), " ")
}
