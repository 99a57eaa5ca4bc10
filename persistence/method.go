package persistence

// Method is the way in which a step of a chain knows a client.
type Method uint8

// The methods. A new one takes a row in methods, a case in walker.read, and a
// file of its own.
const (
	None         Method = iota // yields no key
	SourceIP                   // the client's address
	Cookie                     // a cookie of the application
	Header                     // a header field; Authorization is reduced to the user
	InsertCookie               // casbah's own cookie
)

// methods says what chain and walker have to know of each method.
var methods = [...]struct {
	name     string
	identity bool // its keys name one client; an address may name many
	bound    bool // its keys are bound in the table
	named    bool // Step.Name is required
}{
	None:         {name: "none"},
	SourceIP:     {name: "source_ip", bound: true},
	Cookie:       {name: "cookie", identity: true, bound: true, named: true},
	Header:       {name: "header", identity: true, bound: true, named: true},
	InsertCookie: {name: "insert_cookie", identity: true},
}

// String returns the method's name in the configuration.
func (m Method) String() string {
	if int(m) < len(methods) {
		return methods[m].name
	}
	return "unknown"
}

// ParseMethod returns the method of that name.
func ParseMethod(name string) (Method, bool) {
	for m := range methods {
		if methods[m].name == name {
			return Method(m), true
		}
	}
	return None, false
}

// Origin says who makes the value of an application cookie.
type Origin uint8

// The origins.
const (
	FromServer Origin = iota // learned from, and confirmed by, the server's Set-Cookie
	FromClient               // made by the client: it binds on the request
)

// Full says what becomes of a new binding when the table is full.
type Full uint8

// The ways to act when the table is full.
const (
	EvictOldest Full = iota // the binding unused for longest makes room
	Refuse                  // the client is balanced without a binding
)
