package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the module path, which import paths of this module begin with.
const module = "casbah"

// source is one Go file.
type source struct {
	path string // from the root, with slashes
	dir  string // "." for the root
	test bool
	file *ast.File
	fset *token.FileSet
}

// tree reads every Go file below root. Hidden directories, testdata and
// directories without Go files are passed over.
func tree(t *testing.T, root fs.FS) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_') {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), file, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ours is the tree of this repository.
func ours(t *testing.T) []source {
	t.Helper()
	all := tree(t, os.DirFS("../.."))
	if len(all) < 10 {
		t.Fatalf("only %d Go files below the root: is it the root?", len(all))
	}
	return all
}

// at returns the position of n as path:line.
func (s *source) at(n ast.Node) string { return fmt.Sprintf("%s:%d", s.path, s.line(n.Pos())) }

func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

// lines returns the number of lines of the file.
func (s *source) lines() int { return s.fset.File(s.file.FileStart).LineCount() }

// imports returns the paths that the file imports.
func (s *source) imports() []string {
	list := make([]string, len(s.file.Imports))
	for i, spec := range s.file.Imports {
		list[i], _ = strconv.Unquote(spec.Path.Value) // the parser has checked it
	}
	return list
}

// nameOf returns the name by which the file knows an imported package, and
// false if it does not import it.
func (s *source) nameOf(pkg string) (string, bool) {
	i := slices.Index(s.imports(), pkg)
	if i < 0 {
		return "", false
	}
	if name := s.file.Imports[i].Name; name != nil {
		return name.Name, true
	}
	return path.Base(pkg), true
}

// complain fails t with each finding.
func complain(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}
