// Package httphead reads the heads of HTTP/1.1 messages as they stand on the
// wire: names keep their case, order and spelling, and every slice points into
// the head that was read. It is strict (RFC 9112): what two parsers could read
// in two ways is an error. Nothing here allocates once the memory of Fields has
// grown to its size.
package httphead

// MaxFields is how many header lines a head may have.
const MaxFields = 256

// Field is one header line. Its slices are valid as long as the head is.
type Field struct {
	Name, Value []byte // Value without white space around it
	Line        []byte // the whole line with its CRLF
}

// Request is the head of a request. A Request may be read into again; it keeps
// the memory of Fields.
type Request struct {
	Raw       []byte // the whole head with its last empty line
	Method    []byte
	Target    []byte // the request target as it stands
	Authority []byte // of a target in absolute form, else nil
	Path      []byte // "*", or from the first slash up to the question mark
	Query     []byte // behind the question mark
	Host      []byte // value of Host; empty in HTTP/1.0 without it
	Minor     byte   // HTTP/1.Minor: 0 or 1
	Fields    []Field
}

// Response is the head of a response.
type Response struct {
	Raw    []byte
	Minor  byte
	Status int // 100 to 599
	Reason []byte
	Fields []Field
}
