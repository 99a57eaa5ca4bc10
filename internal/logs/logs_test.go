package logs

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A part's level changes while it logs, and only that part's.
func TestLevelOfAPart(t *testing.T) {
	var out strings.Builder
	s := New(zerolog.New(&out), "warn")
	said := func(p Part) bool {
		out.Reset()
		s.Of(p).Info().Msg("hello")
		return strings.Contains(out.String(), `"part":"`+p.String()+`"`)
	}
	if said(Health) {
		t.Error("info is written at the level warn")
	}
	if err := s.Set("health", "debug"); err != nil {
		t.Fatal(err)
	}
	if !said(Health) || said(TLS) {
		t.Error("want health to say it, and tls not to")
	}
	if err := s.Set("", "info"); err != nil {
		t.Fatal(err)
	}
	if !said(Health) || !said(TLS) {
		t.Error("want all to say it")
	}
	if err := s.Set("tls", ""); err != nil {
		t.Fatal(err)
	}
	if got := s.Levels(); got["tls"] != "warn" || got["health"] != "info" || len(got) != int(parts) {
		t.Errorf("levels are %v", got)
	}
	if said(TLS) {
		t.Error("info is written at the configured level")
	}
}

func TestWordsThatAreUnknown(t *testing.T) {
	s := New(zerolog.Nop(), "info")
	for _, tt := range []struct{ part, level, want string }{
		{"heath", "debug", `part: want one of node, health, `},
		{"health", "trace", `level: want one of debug, info, warn, error, got "trace"`},
		{"health", "disabled", "level: want one of"},
	} {
		err := s.Set(tt.part, tt.level)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Set(%q, %q) = %v, want %q", tt.part, tt.level, err, tt.want)
		}
	}
	for part, level := range s.Levels() {
		if level != "info" {
			t.Errorf("%s has the level %s after mistakes", part, level)
		}
	}
}
