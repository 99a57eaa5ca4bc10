package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// screenWidth is what commands keep to when they print for people.
const screenWidth = 80

// blockRows is how many rows columns holds before it prints them.
const blockRows = 1000

// columns prints rows whose cells stand below each other. It holds some of them
// at a time, so that a list may be long; a column never gets narrower.
type columns struct {
	out    io.Writer
	rows   [][]string
	widths []int
}

// row adds a row.
func (c *columns) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
		if i == len(c.widths) {
			c.widths = append(c.widths, 0)
		}
		c.widths[i] = max(c.widths[i], utf8.RuneCountInString(cells[i]))
	}
	if c.rows = append(c.rows, cells); len(c.rows) == blockRows {
		c.flush()
	}
}

// flush prints what it holds.
func (c *columns) flush() {
	var line strings.Builder
	for _, cells := range c.rows {
		line.Reset()
		for i, cell := range cells {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", c.widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(c.out, strings.TrimRight(line.String(), " "))
	}
	c.rows = c.rows[:0]
}

// printable returns text without what would control a terminal: some of it comes
// from servers.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// paragraph prints text behind a label, in lines of at most screenWidth. The
// text stands in a column that begins at indent.
func paragraph(out io.Writer, label string, indent int, text string) {
	label = printable(label)
	line := label + strings.Repeat(" ", max(indent-utf8.RuneCountInString(label), 1))
	begins := true
	for word := range strings.FieldsSeq(text) {
		word = printable(word)
		if !begins && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > screenWidth {
			fmt.Fprintln(out, line)
			line, begins = strings.Repeat(" ", indent), true
		}
		if !begins {
			line += " "
		}
		line, begins = line+word, false
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

// short returns a time in two units at most, such as 2d3h, 3h05m, 12m05s or 12s.
func short(d time.Duration) string {
	s := int64(d.Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd%dh", s/(24*3600), s/3600%24)
	}
}

// seconds returns a time that the API gives as a number.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
