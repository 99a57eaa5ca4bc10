package httphead

// Error says why a head was refused. Errors are compared by pointer or read for
// their status; none of them holds what the peer sent.
type Error struct {
	Status int // what a client is answered: 400, 431 or 505
	Reason string
}

// Error returns the reason, with the package's name in front.
func (e *Error) Error() string { return "httphead: " + e.Reason }

var (
	errBareLF     = &Error{400, "line without CR"}
	errLine       = &Error{400, "control octet in a line"}
	errFold       = &Error{400, "folded line"}
	errName       = &Error{400, "field name is not a token"}
	errFields     = &Error{431, "too many fields"}
	errMethod     = &Error{400, "method is not a token"}
	errTarget     = &Error{400, "request target is malformed"}
	errVersion    = &Error{505, "version is not HTTP/1.0 or HTTP/1.1"}
	errNoVersion  = &Error{400, "first line has no HTTP version"}
	errNoHost     = &Error{400, "no Host field"}
	errHosts      = &Error{400, "more than one Host field"}
	errHost       = &Error{400, "Host is malformed"}
	errAuthority  = &Error{400, "request target names another host than Host"}
	errStatus     = &Error{400, "status is not three digits from 100 to 599"}
	errIncomplete = &Error{400, "head does not end with an empty line"}
)
