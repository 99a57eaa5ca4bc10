package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestColumns(t *testing.T) {
	var out bytes.Buffer
	c := columns{out: &out}
	c.row("a", "bb", "c")
	c.row("äöü", "b", "\x1b[2J")
	c.row("a", "", "")
	c.flush()
	if got, want := out.String(), "a    bb  c\näöü  b   ?[2J\na\n"; got != want {
		t.Errorf("printed %q; want %q", got, want)
	}
}

// A long list is printed as it comes.
func TestColumnsHoldABlock(t *testing.T) {
	var out bytes.Buffer
	c := columns{out: &out}
	for i := range 10 * blockRows {
		c.row(fmt.Sprint(i), "x")
		if len(c.rows) >= blockRows {
			t.Fatalf("%d rows are held", len(c.rows))
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 10*blockRows {
		t.Errorf("%d lines; want %d", n, 10*blockRows)
	}
}

func TestParagraph(t *testing.T) {
	words := strings.Repeat("word ", 30)
	for _, tt := range []struct{ name, label, text, want string }{
		{"short", "a", "b  c", "a   b c\n"},
		{"long-label", "abcdef", "b c", "abcdef b c\n"},
		{"empty", "a", "", "a\n"},
		{"wrapped", "a", words, "a   " + strings.TrimSpace(words[:75]) + "\n    " + strings.TrimSpace(words[75:]) + "\n"},
		{"one-long-word", "a", strings.Repeat("x", 100) + " y", "a   " + strings.Repeat("x", 100) + "\n    y\n"},
		{"control", "a\n", "b\x07", "a?  b?\n"},
	} {
		var out bytes.Buffer
		paragraph(&out, tt.label, 4, tt.text)
		if out.String() != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, out.String(), tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{59 * time.Second, "59s"},
		{time.Minute, "1m00s"},
		{time.Hour - time.Second, "59m59s"},
		{time.Hour, "1h00m"},
		{24*time.Hour - time.Second, "23h59m"},
		{24 * time.Hour, "1d0h"},
		{51 * time.Hour, "2d3h"},
	} {
		if got := short(tt.d); got != tt.want {
			t.Errorf("short(%v) = %s; want %s", tt.d, got, tt.want)
		}
	}
}
