package profiles

import (
	"fmt"
	"strconv"
	"time"
)

// report gathers what is wrong with one file and what is to be noted.
type report struct {
	file     string
	at       *index
	mistakes Mistakes
	notes    Notes
	wrong    map[path]bool // what has a mistake already: the first one is enough
}

func newReport(file string, at *index) *report {
	return &report{file: file, at: at, wrong: make(map[path]bool)}
}

// mistake reports that p should be something else than got.
func (r *report) mistake(p place, want string, got any) {
	if r.wrong[p.path] {
		return
	}
	r.wrong[p.path] = true
	r.mistakes = append(r.mistakes, &Mistake{
		File: r.file, Position: r.at.find(p.path), Key: p.name(), Want: want, Got: shown(got),
	})
}

func (r *report) note(p place, format string, args ...any) {
	r.notes = append(r.notes, &Note{
		File: r.file, Position: r.at.find(p.path), Key: p.name(), Text: fmt.Sprintf(format, args...),
	})
}

// written reports whether the file holds p: what it does not hold is a default,
// or shipped.
func (r *report) written(p place) bool { return r.at.has(p.path) }

// words are shown as they are, where a string would be quoted.
type words string

// Words that mistakes share.
const (
	nothing   words  = "nothing"
	notInThis string = "not available in this version"
)

// shown renders a value as it may stand in a message: a text in quotes and cut
// to a line's length, anything composed by its kind.
func shown(v any) string {
	const most = 80 // octets
	switch v := v.(type) {
	case words:
		return string(v)
	case string:
		if len(v) > most {
			return strconv.Quote(v[:most]) + "..."
		}
		return strconv.Quote(v)
	case time.Duration:
		return strconv.Quote(brief(v))
	case float64:
		return "the decimal number " + strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	case []any:
		return "a list"
	default:
		return fmt.Sprint(v)
	}
}

// brief renders d as an operator writes it: 10m, not 10m0s.
func brief(d time.Duration) string {
	switch {
	case d != 0 && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d != 0 && d%time.Minute == 0 && d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	default:
		return d.String()
	}
}
