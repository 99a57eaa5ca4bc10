package httphead

import "time"

// cookieDate reads a date as clients do (RFC 6265, Section 5.1.1): day, month,
// year and time of day in any order, everything else ignored. It returns
// seconds since the Unix epoch.
func cookieDate(b []byte) (int64, bool) {
	var d dateParts
	for len(b) > 0 {
		n := 0
		for n < len(b) && !dateDelimiter(b[n]) {
			n++
		}
		if n > 0 {
			d.take(b[:n])
		}
		b = b[min(n+1, len(b)):]
	}
	return d.unix()
}

func dateDelimiter(c byte) bool {
	return !isAlnum(c) && c != ':' && c < 0x7f
}

// dateParts are the parts of a date, each found once.
type dateParts struct {
	hour, minute, second     int
	day, year                int
	month                    time.Month
	hasTime, hasDay, hasYear bool
}

// take puts one word of the date where it fits.
func (d *dateParts) take(word []byte) {
	if !d.hasTime && d.takeTime(word) {
		return
	}
	n, digits := leadingNumber(word)
	switch {
	case !d.hasDay && (digits == 1 || digits == 2):
		d.day, d.hasDay = n, true
	case d.month == 0 && monthOf(word) != 0:
		d.month = monthOf(word)
	case !d.hasYear && (digits == 2 || digits == 4):
		d.year, d.hasYear = n, true
	}
}

// takeTime reads hour:minute:second.
func (d *dateParts) takeTime(word []byte) bool {
	var part [3]int
	for i := range part {
		n, digits := leadingNumber(word)
		if digits < 1 || digits > 2 {
			return false
		}
		part[i], word = n, word[digits:]
		if i < 2 {
			if len(word) == 0 || word[0] != ':' {
				return false
			}
			word = word[1:]
		}
	}
	d.hour, d.minute, d.second, d.hasTime = part[0], part[1], part[2], true
	return true
}

func (d *dateParts) unix() (int64, bool) {
	switch {
	case d.year >= 70 && d.year <= 99:
		d.year += 1900
	case d.year >= 0 && d.year <= 69:
		d.year += 2000
	}
	if !d.hasTime || !d.hasDay || !d.hasYear || d.month == 0 ||
		d.day < 1 || d.day > 31 || d.year < 1601 ||
		d.hour > 23 || d.minute > 59 || d.second > 59 {
		return 0, false
	}
	return time.Date(d.year, d.month, d.day, d.hour, d.minute, d.second, 0, time.UTC).Unix(), true
}

// leadingNumber returns the number that word begins with, and its digits; 0
// digits if there are none or more than four.
func leadingNumber(word []byte) (n, digits int) {
	for digits < len(word) && isDigit(word[digits]) {
		if digits == 4 {
			return 0, 0
		}
		n = n*10 + int(word[digits]-'0')
		digits++
	}
	return n, digits
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// monthOf returns the month whose name word begins with, or 0.
func monthOf(word []byte) time.Month {
	if len(word) < 3 {
		return 0
	}
	for m := 0; m < len(months); m += 3 {
		if EqualFold(word[:3], months[m:m+3]) {
			return time.Month(m/3 + 1)
		}
	}
	return 0
}
