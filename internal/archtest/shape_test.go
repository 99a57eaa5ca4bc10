package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"testing"
)

// The hard limits of the house style, in lines.
const (
	maxFile = 600
	maxFunc = 70
)

func TestShape(t *testing.T) {
	complain(t, shapeFindings(ours(t)))
}

func TestPackageComments(t *testing.T) {
	complain(t, commentFindings(ours(t)))
}

// shapeFindings returns the files and functions that are too long, and the init
// functions: what runs before main can neither be ordered, tested nor refused.
func shapeFindings(all []source) []string {
	var findings []string
	for _, s := range all {
		if n := s.lines(); n > maxFile {
			findings = append(findings, fmt.Sprintf("%s: %d lines; want at most %d", s.path, n, maxFile))
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if f.Recv == nil && f.Name.Name == "init" {
				findings = append(findings, s.at(f)+": init function")
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFunc && !s.test {
				findings = append(findings, fmt.Sprintf("%s: func %s has %d lines; want at most %d", s.at(f), f.Name.Name, n, maxFunc))
			}
		}
	}
	return findings
}

// commentFindings returns the packages that do not have exactly one package
// comment. Test files count where a package has nothing else.
func commentFindings(all []source) []string {
	comments := make(map[string][]string) // directory → files with a package comment
	code := make(map[string]bool)
	for _, s := range all {
		code[s.dir] = code[s.dir] || !s.test
	}
	for _, s := range all {
		if s.test && code[s.dir] {
			continue
		}
		comments[s.dir] = append(comments[s.dir], commented(&s)...)
	}
	var findings []string
	for _, dir := range slices.Sorted(maps.Keys(comments)) {
		if files := comments[dir]; len(files) != 1 {
			findings = append(findings, fmt.Sprintf("package %s has %d package comments %v; want 1", dir, len(files), files))
		}
	}
	return findings
}

// commented returns the path of s if it has a package comment.
func commented(s *source) []string {
	if s.file.Doc == nil || s.file.Doc.Text() == "" {
		return nil
	}
	return []string{s.path}
}
