package archtest

import (
	"fmt"
	"go/ast"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const architecture = "docs/ARCHITECTURE.md"

// TestArchitectureTable holds the table of packages to the rules that the code
// is held to: a package or an edge comes with its line.
func TestArchitectureTable(t *testing.T) {
	text, err := os.ReadFile("../../" + architecture)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| package | one line | may import |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	complain(t, tableFindings(table, allowed))
}

// TestDocumentsNameTests finds tests that a document names and that are gone.
func TestDocumentsNameTests(t *testing.T) {
	root := os.DirFS("../..")
	var docs []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := fs.Glob(root, pattern)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, found...)
	}
	if !slices.Contains(docs, architecture) {
		t.Fatalf("documents are %v; want %s among them", docs, architecture)
	}
	names := testNames(ours(t))
	for _, doc := range docs {
		text, err := fs.ReadFile(root, doc)
		if err != nil {
			t.Fatal(err)
		}
		complain(t, goneTests(doc, string(text), names))
	}
}

// packageRow is a line of the table: package, one line, imports.
var packageRow = regexp.MustCompile(`(?m)^\| ([a-z0-9_/]+|\(root\)) \| [^|]+ \| ([^|]+) \|$`)

// tableFindings returns where the table and the rows differ.
func tableFindings(text string, rows map[string][]string) []string {
	var findings []string
	seen := make(map[string]bool)
	for _, m := range packageRow.FindAllStringSubmatch(text, -1) {
		name := strings.ReplaceAll(m[1], "(root)", ".")
		seen[name] = true
		if name == "internal/archtest" {
			continue // tests alone, and none of them of another package
		}
		may, ok := rows[name]
		if want := edges(name, may); ok && m[2] != want {
			findings = append(findings, fmt.Sprintf("%s: %s may import %q; the code is held to %q", architecture, name, m[2], want))
		}
		if !ok {
			findings = append(findings, fmt.Sprintf("%s: %s has a row, and no package", architecture, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if !seen[name] {
			findings = append(findings, fmt.Sprintf("%s: %s has no row", architecture, name))
		}
	}
	return findings
}

// edges returns the imports of a package as the table writes them.
func edges(name string, may []string) string {
	switch {
	case len(may) == 0:
		return "–"
	case may[0] != "*":
		return strings.Replace(strings.Join(may, ", "), ".", "(root)", 1)
	}
	var not []string
	for _, dep := range slices.Sorted(maps.Keys(forbidden)) {
		if dep != name && !mayImport(name, dep, may) {
			not = append(not, dep)
		}
	}
	if len(not) == 0 {
		return "all"
	}
	return "all but " + strings.Join(not, ", ")
}

// testName is how documents name tests.
var testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`")

// goneTests returns the tests that text names and that are not among names.
func goneTests(doc, text string, names map[string]bool) []string {
	var findings []string
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		if !names[m[1]] {
			findings = append(findings, fmt.Sprintf("%s: there is no %s", doc, m[1]))
		}
	}
	return findings
}

// testNames returns the names of all functions in test files.
func testNames(all []source) map[string]bool {
	names := make(map[string]bool)
	for _, s := range all {
		if !s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

func TestTableFindings(t *testing.T) {
	rows := map[string][]string{"balance": {}, "profiles": {"."}, "route": {"persistence", "balance"}, "node": {"*", "*/*"}, "cmd/casbah": {"*", "*/*"}}
	const good = "| balance | counts | – |\n| profiles | TOML | (root) |\n| route | decides | persistence, balance |\n" +
		"| node | joins | all but admin, cmd/casbah |\n| cmd/casbah | commands | all |\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"good", good, nil},
		{"row-missing", strings.Replace(good, "| balance | counts | – |\n", "", 1), []string{architecture + ": balance has no row"}},
		{"row-too-many", good + "| odd | – | – |\n", []string{architecture + ": odd has a row, and no package"}},
		{"edge-missing", strings.Replace(good, "persistence, ", "", 1), []string{architecture + `: route may import "balance"; the code is held to "persistence, balance"`}},
		{"edge-too-many", strings.Replace(good, "counts | –", "counts | route", 1), []string{architecture + `: balance may import "route"; the code is held to "–"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tableFindings(tt.text, rows); !slices.Equal(got, tt.want) {
				t.Errorf("findings = %q; want %q", got, tt.want)
			}
		})
	}
	if got := goneTests("a.md", "`TestHere`, `TestGone`, TestNotNamed", map[string]bool{"TestHere": true}); !slices.Equal(got, []string{"a.md: there is no TestGone"}) {
		t.Errorf("gone tests = %q", got)
	}
}
