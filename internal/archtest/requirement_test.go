package archtest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const persistence = "docs/PERSISTENCE.md"

// TestRequirementsAreTested holds the table of requirements to the tests: each
// row names tests that there are, at least one of which bears the row's ID.
func TestRequirementsAreTested(t *testing.T) {
	text, err := os.ReadFile("../../" + persistence)
	if err != nil {
		t.Fatal(err)
	}
	complain(t, requirementFindings(string(text), testsByID(t, ours(t))))
}

// requirementRow is a line of the table: ID, what must hold, tests.
var requirementRow = regexp.MustCompile(`(?m)^\| (S[0-9]+) \| [^|]+ \| ([^|]+) \|$`)

var (
	testWord      = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	requirementID = regexp.MustCompile(`\bS[0-9]{1,3}\b`)
)

// The requirements of persistence, and of what relays IMAP4, are S1 to this one.
const lastRequirement = 113

// requirementFindings returns what is wrong with the table: rows that are not
// there, and rows that name no test with their ID. A row that says "not yet"
// is one of docs/LIMITS.md.
func requirementFindings(doc string, byID map[string]map[string]bool) []string {
	var findings []string
	rows := make(map[string]string)
	for _, m := range requirementRow.FindAllStringSubmatch(doc, -1) {
		rows[m[1]] = m[2]
	}
	for i := 1; i <= lastRequirement; i++ {
		id := fmt.Sprintf("S%d", i)
		tests, ok := rows[id]
		switch {
		case !ok:
			findings = append(findings, persistence+": no row "+id)
		case strings.HasPrefix(tests, "not yet:"):
		case !namesOne(tests, byID[id]):
			findings = append(findings, fmt.Sprintf("%s: %s: no test that bears the ID among %s", persistence, id, tests))
		}
	}
	return findings
}

func namesOne(tests string, bearers map[string]bool) bool {
	for _, name := range testWord.FindAllString(tests, -1) {
		if bearers[name] {
			return true
		}
	}
	return false
}

// testsByID returns the tests of each requirement: those in whose comment or
// body its ID stands.
func testsByID(t *testing.T, all []source) map[string]map[string]bool {
	t.Helper()
	byID := make(map[string]map[string]bool)
	for _, s := range all {
		if !s.test {
			continue
		}
		text, err := os.ReadFile("../../" + s.path)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for line := range strings.SplitSeq(string(text), "\n\n") {
			if found := testWord.FindString(functionOf(line)); found != "" {
				name = found
			}
			for _, id := range requirementID.FindAllString(line, -1) {
				if byID[id] == nil {
					byID[id] = make(map[string]bool)
				}
				byID[id][name] = true
			}
		}
	}
	return byID
}

// functionOf returns the line of a paragraph that begins a test.
func functionOf(paragraph string) string {
	for line := range strings.SplitSeq(paragraph, "\n") {
		if strings.HasPrefix(line, "func ") {
			return line
		}
	}
	return ""
}

func TestRequirementFindings(t *testing.T) {
	var doc strings.Builder
	byID := make(map[string]map[string]bool)
	for i := 1; i <= lastRequirement; i++ {
		fmt.Fprintf(&doc, "| S%d | what | `TestA`, `TestB` |\n", i)
		byID[fmt.Sprintf("S%d", i)] = map[string]bool{"TestB": true}
	}
	if got := requirementFindings(doc.String(), byID); got != nil {
		t.Errorf("findings %v; want none", got)
	}
	byID["S7"] = map[string]bool{"TestC": true}
	text := strings.Replace(doc.String(), "| S9 | what | `TestA`, `TestB` |\n", "", 1)
	text = strings.Replace(text, "| S8 | what | `TestA`, `TestB` |", "| S8 | what | not yet: it comes |", 1)
	delete(byID, "S8")
	got := requirementFindings(text, byID)
	if len(got) != 2 || !strings.Contains(got[0], "S7") || !strings.Contains(got[1], "S9") {
		t.Errorf("findings %v; want S7 and S9", got)
	}
}
