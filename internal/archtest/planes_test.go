package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// dataPlane is what a request passes through: it counts in plain counters, reads
// no configuration and writes no log.
var dataPlane = []string{"balance", "persistence", "route", "engine", "engine/*", "protocols/*", "internal/httphead", "internal/rule", "internal/hello", "internal/maildialogue"}

// controlOnly are the modules that belong to the control plane.
var controlOnly = []string{
	"github.com/prometheus/client_golang",
	"github.com/BurntSushi/toml",
	"github.com/rs/zerolog",
	"log",
}

// silenced are the files that import log to have a library of Go's log nothing.
var silenced = []string{"engine/h2/h2.go"}

// cores are the packages that hold protocol cores and what they follow a protocol
// with, which do no I/O: they are called with what happened and the time of it, and are tested byte by byte.
var cores = []string{"protocols/http1", "protocols/relay", "internal/hello", "protocols/imap4", "protocols/pop3", "protocols/smtp", "internal/maildialogue"}

// outside are the packages through which a core would reach the world.
var outside = []string{"net", "net/http", "os", "syscall", "crypto/tls", "io/fs", "golang.org/x"}

// clockFuncs are the functions of package time that read a clock or wait.
var clockFuncs = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick",
}

func TestDataPlaneKeepsToItself(t *testing.T) {
	complain(t, dataPlaneFindings(ours(t)))
}

func TestCoresDoNoIO(t *testing.T) {
	all := ours(t)
	for _, core := range cores {
		if !slices.ContainsFunc(all, func(s source) bool { return s.dir == core && !s.test }) {
			t.Errorf("cores names %s, which is gone", core)
		}
	}
	complain(t, coreFindings(all))
}

// dataPlaneFindings returns the imports of control plane modules in the data plane.
func dataPlaneFindings(all []source) []string {
	var findings []string
	for _, s := range all {
		if s.test || !matchesAny(s.dir, dataPlane) {
			continue
		}
		for _, imp := range s.imports() {
			if within(imp, controlOnly) && !slices.Contains(silenced, s.path) {
				findings = append(findings, fmt.Sprintf("%s: the data plane may not import %s", s.path, imp))
			}
		}
	}
	return findings
}

// coreFindings returns where a core reaches the world, a clock or a goroutine.
func coreFindings(all []source) []string {
	var findings []string
	for _, s := range all {
		if s.test || !matchesAny(s.dir, cores) {
			continue
		}
		for _, imp := range s.imports() {
			if within(imp, outside) && imp != "net/netip" {
				findings = append(findings, fmt.Sprintf("%s: a core does no I/O, but imports %s", s.path, imp))
			}
		}
		clock, ok := s.nameOf("time")
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				findings = append(findings, s.at(n)+": a core starts no goroutine")
			case *ast.SelectorExpr:
				if pkg, isName := n.X.(*ast.Ident); ok && isName && pkg.Name == clock && slices.Contains(clockFuncs, n.Sel.Name) {
					findings = append(findings, fmt.Sprintf("%s: a core has no clock, but calls time.%s", s.at(n), n.Sel.Name))
				}
			}
			return true
		})
	}
	return findings
}

// matchesAny reports whether dir matches one of the patterns.
func matchesAny(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, dir)
		return ok && err == nil
	})
}

// within reports whether imp is one of the packages, or below one.
func within(imp string, pkgs []string) bool {
	return slices.ContainsFunc(pkgs, func(p string) bool { return imp == p || strings.HasPrefix(imp, p+"/") })
}
