package persistence

// Method is the way in which a step of a chain knows a client.
type Method uint8

// The methods. A new one takes a row in methods, a case in walker.read, and a
// file of its own.
const (
	None           Method = iota // yields no key
	SourceIP                     // the client's address
	Cookie                       // a cookie of the application
	Header                       // a header field; Authorization is reduced to the user
	InsertCookie                 // casbah's own cookie
	URLServerID                  // a server's address and port in the query
	CustomServerID               // a server's own ID in a query parameter, header or cookie
	Rule                         // the value of an expression
	Mailbox                      // the mailbox that the request is about
	DestIP                       // the address that the client called
	SrcDestIP                    // the client's address and the one that it called
	RPCAssociation               // the client's address and its RPC association
	SSLID                        // the TLS session that the client resumes, or is given
	RPCConnection                // the virtual connection of RPC over HTTP, or the Outlook that opens it
)

// methods says what chain and walker have to know of each method.
var methods = [...]struct {
	name     string
	identity bool // its keys name one client; an address may name many
	bound    bool // its keys are bound in the table
	named    bool // Step.Name is required
	headless bool // read from the connection, so that a relayed one has its keys too
}{
	None:         {name: "none", headless: true},
	SourceIP:     {name: "source_ip", bound: true, headless: true},
	Cookie:       {name: "cookie", identity: true, bound: true, named: true},
	Header:       {name: "header", identity: true, bound: true, named: true},
	InsertCookie: {name: "insert_cookie", identity: true},

	URLServerID:    {name: "url_server_id", identity: true, named: true},
	CustomServerID: {name: "server_id", identity: true, named: true},
	Rule:           {name: "rule", identity: true, bound: true},

	Mailbox:        {name: "mailbox", identity: true, bound: true},
	DestIP:         {name: "dest_ip", bound: true, headless: true},
	SrcDestIP:      {name: "src_dest_ip", bound: true, headless: true},
	RPCAssociation: {name: "rpc_association", identity: true, bound: true, headless: true},
	SSLID:          {name: "ssl_id", identity: true, bound: true, headless: true},
	RPCConnection:  {name: "rpc_connection", identity: true, bound: true},
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

// Place says where a request carries the ID of a server.
type Place uint8

// The places of a server's ID.
const (
	InQuery Place = iota
	InHeader
	InCookie
)

// Full says what becomes of a new binding when the table is full.
type Full uint8

// The ways to act when the table is full.
const (
	EvictOldest Full = iota // the binding unused for longest makes room
	Refuse                  // the client is balanced without a binding
)
