package profiles

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/*.want")

// TestGolden loads each testdata/*.toml, among certificates and secrets made for
// the test, and compares what is said of it. S85 S89 S97: cookies.toml; S66 S82:
// own_cookies.toml; S60: serverid.toml.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	dir := t.TempDir()
	writeFixtures(t, dir)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(said(t, filepath.Join(dir, "casbah.toml"), data), dir+"/", "")
			wantFile := strings.TrimSuffix(file, ".toml") + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("Parse(%s) (-want +got):\n%s", file, diff)
			}
		})
	}
}

// said returns the mistakes and notes of a file, one per line.
func said(t *testing.T, name string, data []byte) string {
	t.Helper()
	c, notes, err := Parse(name, data)
	if (c == nil) != (err != nil) {
		t.Errorf("Parse() = %v, %v; want a configuration or an error", c, err)
	}
	var b strings.Builder
	if err != nil {
		ms, ok := errors.AsType[Mistakes](err)
		if !ok {
			t.Fatalf("Parse() error is a %T; want Mistakes", err)
		}
		b.WriteString(ms.Error() + "\n")
	}
	for _, n := range notes {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}
