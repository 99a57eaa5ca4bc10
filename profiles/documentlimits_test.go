package profiles

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	scalarForm  = regexp.MustCompile(`(?m)^- Syntax: .* = (?:NUMBER|"DURATION")` + "`$")
	limitsForm  = regexp.MustCompile(`(?m)^- Limits: (?:0s?, or )?([0-9a-z]+) to ([0-9a-z]+)(?:[,; ].*)?$`)
	keyLineForm = regexp.MustCompile(`(?m)^### ` + "`([^`]+)`" + `$`)
)

// What docs/CONFIG.md says of the bounds of a number or duration is so: both ends are
// taken, and what is beyond them is not.
func TestDocumentLimits(t *testing.T) {
	dir := t.TempDir()
	writeFixtures(t, dir)
	text, entries := document(t)
	tried := 0
	for _, part := range strings.Split(text, "\n### ")[1:] {
		key := keyLineForm.FindStringSubmatch("### " + part[:strings.IndexByte(part, '\n')])
		m := limitsForm.FindStringSubmatch(part)
		if key == nil || m == nil || !scalarForm.MatchString(part) {
			continue
		}
		for _, end := range ends(m[1], m[2]) {
			last := key[1][strings.LastIndexByte(key[1], '.')+1:]
			line := regexp.MustCompile(`(?m)^` + last + ` = .*$`)
			file := withExample(key[1], line.ReplaceAllString(entries[key[1]].example, last+" = "+end.value))
			_, _, err := Parse(filepath.Join(dir, "casbah.toml"), []byte(file))
			refused := err != nil && strings.Contains(err.Error(), last+": want") && !strings.Contains(err.Error(), "a timeout above 0s")
			if tried++; refused == end.within {
				t.Errorf("%s = %s is refused: %v; docs/CONFIG.md says %s to %s: %v", key[1], end.value, refused, m[1], m[2], err)
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d values were tried", tried)
	}
}

// end is a value at a bound or beyond it.
type end struct {
	value  string
	within bool
}

// ends returns the bounds, and what is next to them outside.
func ends(from, to string) []end {
	if lo, err := strconv.Atoi(from); err == nil {
		hi, err := strconv.Atoi(to)
		if err != nil {
			return nil // to what another key says
		}
		return []end{{strconv.Itoa(lo), true}, {strconv.Itoa(hi), true}, {strconv.Itoa(lo - 1), false}, {strconv.Itoa(hi + 1), false}}
	}
	lo, err := time.ParseDuration(from)
	hi, err2 := time.ParseDuration(to)
	if err != nil || err2 != nil {
		return nil
	}
	quote := func(d time.Duration) string { return strconv.Quote(d.String()) }
	return []end{{quote(lo), true}, {quote(hi), true}, {quote(lo - time.Millisecond), lo == time.Millisecond}, {quote(hi + time.Millisecond), false}}
}
