package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number for reading: digits in groups of three up to a million,
// then three significant ones and a unit.
func count[T int | int64 | uint64](n T) string {
	switch f := float64(n); {
	case f >= 999.5e6:
		return significant(f/1e9) + " G"
	case f >= 1e6:
		return significant(f/1e6) + " M"
	default:
		return grouped(strconv.FormatInt(int64(n), 10))
	}
}

// grouped puts a comma before every three digits from the right.
func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// rate writes a number per second.
func rate(f float64) string {
	switch {
	case f <= 0:
		return "0"
	case f < 0.1:
		return "<0.1"
	case f < 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return count(int64(f + 0.5))
	}
}

// octets writes an amount of data in decimal units.
func octets[T int64 | uint64 | float64](n T) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if f < 999.5 {
			if unit == "B" {
				return strconv.FormatFloat(f, 'f', 0, 64) + " B"
			}
			return significant(f) + " " + unit
		}
		f /= 1000
	}
	return significant(f) + " TB"
}

// significant writes f with three significant digits, or all of its integer part.
func significant(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
}

// span writes a length of time with at most two units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return twoUnits(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	default:
		return twoUnits(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

// twoUnits writes d in a large unit and, where it is under ten of those, the
// rest in a small one.
func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	n, rest := d/large, d%large/small
	if n >= 10 || rest == 0 {
		return fmt.Sprintf("%d %s", n, largeName)
	}
	return fmt.Sprintf("%d %s %d %s", n, largeName, rest, smallName)
}

// brief writes a time that is usually under a second.
func brief(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
}

// clock writes a time of the day, with the day if that is not now's.
func clock(now, t time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// enumerate joins words as a sentence does.
func enumerate(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// plural writes a number and its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
