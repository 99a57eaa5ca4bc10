package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinksLeadSomewhere follows the links of the documents within the repository: to
// files, and to headings of documents.
func TestLinksLeadSomewhere(t *testing.T) {
	docs := make(map[string]string) // path below the root, text
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			docs[strings.TrimPrefix(path, "../../")] = string(text)
		}
	}
	there := func(path string) bool {
		_, err := os.Stat("../../" + path)
		return err == nil
	}
	complain(t, linkFindings(docs, there))
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	linkForm  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// linkFindings returns the links that lead nowhere; there tells which files there are.
func linkFindings(docs map[string]string, there func(path string) bool) []string {
	slugs := make(map[string][]string)
	for path, text := range docs {
		for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			slugs[path] = append(slugs[path], strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
		}
	}
	var findings []string
	for path, text := range docs {
		for _, m := range linkForm.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") {
				continue
			}
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if !there(to) || anchor != "" && !slices.Contains(slugs[to], anchor) {
				findings = append(findings, fmt.Sprintf("%s: %s leads nowhere", path, m[1]))
			}
		}
	}
	slices.Sort(findings)
	return findings
}

func TestLinkFindings(t *testing.T) {
	docs := map[string]string{
		"README.md": "# One `two` three\n[a](docs/B.md#at-night) [b](#one-two-three) [c](#gone) [d](docs/C.md) [e](https://example.org/#x)\n",
		"docs/B.md": "```\n# no heading\n[f](nowhere)\n```\n## At night\n[g](../README.md) [h](#no-heading)\n",
	}
	got := linkFindings(docs, func(path string) bool { return docs[path] != "" })
	if want := []string{"README.md: #gone leads nowhere", "README.md: docs/C.md leads nowhere", "docs/B.md: #no-heading leads nowhere"}; !slices.Equal(got, want) {
		t.Errorf("findings %q; want %q", got, want)
	}
}
