package httphead

// Parse reads head, which ends with its empty line. The response points into
// head until it is parsed again. An error is an *Error.
func (r *Response) Parse(head []byte) error {
	*r = Response{Raw: head, Fields: r.Fields[:0]}
	end, err := lineEnd(head, 0)
	if err != nil {
		return err
	}
	if err := r.parseLine(head[:end]); err != nil {
		return err
	}
	r.Fields, err = parseFields(r.Fields, head[end+2:])
	return err
}

// parseLine reads the status line (RFC 9112, Section 4). The space behind the
// status may be missing where there is no reason, as some servers write it.
func (r *Response) parseLine(line []byte) error {
	if len(line) < len("HTTP/1.1 200") || line[8] != ' ' {
		return errNoVersion
	}
	var err error
	if r.Minor, err = version(line[:8]); err != nil {
		return err
	}
	code := line[9:12]
	if !isDigit(code[0]) || !isDigit(code[1]) || !isDigit(code[2]) {
		return errStatus
	}
	r.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	if r.Status < 100 || r.Status > 599 {
		return errStatus
	}
	if len(line) > 12 {
		if line[12] != ' ' {
			return errStatus
		}
		r.Reason = line[13:]
	}
	return nil
}

// Value returns the value of the first field of that name, which is given in
// lower case and compared without case.
func (r *Response) Value(name string) ([]byte, bool) { return value(r.Fields, name) }
