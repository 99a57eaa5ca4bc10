package httphead

// parseFields reads the lines from rest to the empty line that must end it.
func parseFields(dst []Field, rest []byte) ([]Field, error) {
	dst = dst[:0]
	for {
		if len(rest) == 2 && rest[0] == '\r' && rest[1] == '\n' {
			return dst, nil
		}
		if len(dst) == MaxFields {
			return dst, errFields
		}
		colon := 0
		for colon < len(rest) && class[rest[colon]]&inToken != 0 {
			colon++
		}
		if colon == 0 || colon == len(rest) || rest[colon] != ':' {
			return dst, nameError(rest, colon)
		}
		end, err := lineEnd(rest, colon+1)
		if err != nil {
			return dst, err
		}
		dst = append(dst, Field{Name: rest[:colon], Value: trim(rest[colon+1 : end]), Line: rest[:end+2]})
		rest = rest[end+2:]
	}
}

// nameError says what is wrong with a line whose name ends at i without a colon.
func nameError(line []byte, i int) error {
	switch {
	case i == len(line):
		return errIncomplete
	case i == 0 && (line[0] == ' ' || line[0] == '\t'):
		return errFold
	default:
		return errName
	}
}

// lineEnd returns the index of the CRLF of the line that p begins with. From is
// where to begin to look. Tabs are the one control that a line may hold.
func lineEnd(p []byte, from int) (int, error) {
	for i := from; ; i++ {
		i += control(p[i:])
		switch {
		case i >= len(p):
			return 0, errIncomplete
		case p[i] == '\r' && i+1 < len(p) && p[i+1] == '\n':
			return i, nil
		case p[i] != '\t':
			return 0, errLine
		}
	}
}

// value returns the value of the first field of that name, in lower case.
func value(fields []Field, name string) ([]byte, bool) {
	for i := range fields {
		if EqualFold(fields[i].Name, name) {
			return fields[i].Value, true
		}
	}
	return nil, false
}
