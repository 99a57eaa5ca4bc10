package archtest

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestFindings shows each rule a tree that breaks it: a rule that finds nothing
// there guards nothing.
func TestFindings(t *testing.T) {
	long := strings.Repeat("\n", maxFunc-1)
	tests := []struct {
		name string
		file string
		text string
		find func([]source) []string
		want []string
	}{
		{
			"edge-refused", "balance/a.go", "package balance; import _ \"casbah/route\"", imports("balance", "engine"),
			[]string{"balance/a.go: balance may not import route"},
		},
		{"edge-allowed", "balance/a.go", "package balance; import _ \"casbah/engine\"", imports("balance", "engine"), nil},
		{"edge-everywhere", "balance/a.go", "package balance; import _ \"casbah/internal/httphead\"", imports("balance"), nil},
		{"edge-of-test", "balance/a_test.go", "package balance; import _ \"casbah/route\"", imports(""), nil},
		{"edge-to-root", "balance/a.go", "package balance; import _ \"casbah\"", imports("balance"), []string{"balance/a.go: balance may not import ."}},
		{"other-module", "balance/a.go", "package balance; import _ \"casbahx/route\"", imports("balance"), nil},
		{"pattern", "node/a.go", "package node; import _ \"casbah/health/page\"", imports("node", "*/*"), nil},
		{"pattern-but-forbidden", "node/a.go", "package node; import _ \"casbah/admin\"", imports("node", "*"), []string{"node/a.go: node may not import admin"}},
		{"no-row", "odd/a.go", "package odd", imports(""), []string{"package odd has no row in allowed"}},
		{"row-gone", "balance/a_test.go", "package balance", imports("balance"), []string{"allowed has a row for balance, which is gone"}},
		{
			"plane-refused", "route/a.go", "package route; import _ \"github.com/rs/zerolog/hlog\"", dataPlaneFindings,
			[]string{"route/a.go: the data plane may not import github.com/rs/zerolog/hlog"},
		},
		{"plane-below", "engine/netconn/a.go", "package netconn; import _ \"log\"", dataPlaneFindings, []string{"engine/netconn/a.go: the data plane may not import log"}},
		{"plane-allowed", "node/a.go", "package node; import _ \"github.com/rs/zerolog\"", dataPlaneFindings, nil},
		{"core-import", "protocols/http1/a.go", "package http1; import _ \"net\"", coreFindings, []string{"protocols/http1/a.go: a core does no I/O, but imports net"}},
		{"core-netip", "protocols/http1/a.go", "package http1; import _ \"net/netip\"", coreFindings, nil},
		{
			"core-clock", "protocols/http1/a.go", "package http1\nimport tm \"time\"\nvar now = tm.Now\nvar d tm.Duration", coreFindings,
			[]string{"protocols/http1/a.go:3: a core has no clock, but calls time.Now"},
		},
		{"core-goroutine", "protocols/http1/a.go", "package http1\nfunc f() {\n\tgo f()\n}", coreFindings, []string{"protocols/http1/a.go:3: a core starts no goroutine"}},
		{"driver-goroutine", "engine/netconn/a.go", "package netconn; func f() { go f() }", coreFindings, nil},
		{"init", "a/a.go", "package a\nfunc init() {}\ntype t int\nfunc (t) init() {}", shapeFindings, []string{"a/a.go:2: init function"}},
		{"func-at-limit", "a/a.go", "package a\nfunc f() {" + long + "}", shapeFindings, nil},
		{"func-over-limit", "a/a.go", "package a\nfunc f() {" + long + "\n}", shapeFindings, []string{"a/a.go:2: func f has 71 lines; want at most 70"}},
		{"func-of-test", "a/a_test.go", "package a\nfunc f() {" + long + "\n}", shapeFindings, nil},
		{"file-at-limit", "a/a_test.go", "package a" + strings.Repeat("\n", maxFile), shapeFindings, nil},
		{"file-over-limit", "a/a_test.go", "package a" + strings.Repeat("\n", maxFile+1), shapeFindings, []string{"a/a_test.go: 601 lines; want at most 600"}},
		{"comment", "a/a.go", "// Package a is.\npackage a", commentFindings, nil},
		{"comment-missing", "a/a.go", "package a", commentFindings, []string{"package a has 0 package comments []; want 1"}},
		{"comment-in-test-only-package", "a/a_test.go", "// Package a is.\npackage a", commentFindings, nil},
		{"testdata", "a/testdata/a.go", "package a", commentFindings, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.find(tree(t, fstest.MapFS{tt.file: {Data: []byte(tt.text)}}))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTwoPackageComments(t *testing.T) {
	got := commentFindings(tree(t, fstest.MapFS{
		"a/a.go":      {Data: []byte("// Package a is.\npackage a")},
		"a/b.go":      {Data: []byte("// Package a is also.\npackage a")},
		"a/b_test.go": {Data: []byte("// Package a is tested.\npackage a")},
	}))
	if want := []string{"package a has 2 package comments [a/a.go a/b.go]; want 1"}; !cmp.Equal(got, want) {
		t.Errorf("findings = %q; want %q", got, want)
	}
}

// imports checks against one row, or none if name is empty.
func imports(name string, may ...string) func([]source) []string {
	rows := make(map[string][]string)
	if name != "" {
		rows[name] = may
	}
	return func(all []source) []string { return importFindings(all, rows) }
}
