package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"casbah/lab"
)

// scene is a place where callers ask. They log on where it says so.
type scene struct {
	profile, method, path string
	windows               bool // asks for Windows authentication
}

var scenes = []scene{
	{"ews", "POST", "/EWS/Exchange.asmx", true},
	{"ews", "GET", "/ews/exchange.asmx", true},
	{"autodiscover", "POST", "/autodiscover/autodiscover.xml", true},
	{"oab", "GET", "/OAB/" + lab.OABID + "/oab.xml", true},
	{"owa", "GET", "/owa/", false},
	{"owa", "POST", "/owa/ev.owa", false},
	{"owa", "GET", "/owa/healthcheck.htm", false},
	{"ews", "GET", "/EWS/healthcheck.htm", false},
}

// caller is one client program, on one connection at a time.
type caller struct {
	*storm
	source string

	wire *wire // nil: not connected
	call int   // number of the connection
	todo []func() error
	seen map[string][]int  // servers met on this connection, and a moment before
	pins map[string]string // by profile: the server connection that it is pinned to
	who  map[string]string // by profile: who the connection is there
}

// step does what is next.
func (c *caller) step() {
	if c.wire == nil {
		c.dial()
		return
	}
	if len(c.todo) == 0 {
		c.plan()
		return
	}
	next := c.todo[0]
	c.todo = c.todo[1:]
	if next() != nil {
		c.hangUp()
	}
}

func (c *caller) dial() {
	conn, err := c.connect(c.source)
	if err != nil {
		c.ledger.breach("connect: %v", err)
		return
	}
	c.wire = newWire(nil, conn)
	c.seen, c.pins, c.who = map[string][]int{}, map[string]string{}, map[string]string{}
	c.ledger.mu.Lock()
	c.ledger.calls++
	c.call = c.ledger.calls
	c.ledger.mu.Unlock()
}

func (c *caller) hangUp() {
	if c.wire != nil {
		_ = c.wire.Close()
	}
	c.wire, c.todo = nil, nil
}

// plan decides what the caller does next.
func (c *caller) plan() {
	sc := scenes[c.rng.IntN(len(scenes))]
	switch n := c.rng.IntN(20); {
	case n == 0:
		c.hangUp()
	case n < 4: // two requests at once, the second before the first is answered
		a, b := c.anonymous(sc), c.anonymous(scenes[c.rng.IntN(len(scenes))])
		c.todo = append(c.todo, a.write, a.writeRest, b.write, a.read, b.read)
	case n < 12 || !sc.windows:
		c.ask(c.anonymous(sc))
	default:
		c.logon(sc)
	}
}

// ask appends the steps of a request.
func (c *caller) ask(r *request) {
	c.todo = append(c.todo, r.write)
	if r.body != "" && c.rng.IntN(2) == 0 {
		c.todo = append(c.todo, r.writeRest) // other callers come in between
	}
	c.todo = append(c.todo, r.read)
}

// anonymous asks without credentials: as who the connection is, and nobody else.
func (c *caller) anonymous(sc scene) *request {
	r := c.request(sc)
	r.check = func(resp *http.Response, name string) {
		switch want := r.expect; {
		case !sc.windows && name != "":
			c.ledger.misnamed(name, "", "%s: %s gives the name %q; want none", c, sc.path, name)
		case sc.windows && name != want:
			c.ledger.misnamed(name, want, "%s: %s without credentials is %q, status %d; want %q", c, sc.path, name, resp.StatusCode, want)
		case sc.windows && (resp.StatusCode == http.StatusUnauthorized) != (want == ""):
			c.ledger.breach("%s: %s as %q has status %d", c, sc.path, want, resp.StatusCode)
		}
	}
	return r
}

// logon appends the legs of an NTLM handshake, at times with a wrong password,
// at times with another request between the legs.
func (c *caller) logon(sc scene) {
	scheme := []string{"NTLM", "Negotiate", "ntlm"}[c.rng.IntN(3)]
	user := c.names[c.rng.IntN(len(c.names))]
	password, right := passwordOf(user), c.rng.IntN(4) > 0
	if !right {
		password = "wrong"
	}
	var challenge *http.Response
	first, second := c.request(sc), c.request(sc)
	second.welcome = right
	first.authorization = func() (string, error) { return ntlmType1(scheme) }
	first.check = func(resp *http.Response, name string) {
		if challenge = resp; resp.StatusCode != http.StatusUnauthorized || name != "" {
			c.ledger.misnamed(name, "", "%s: type 1 of %s at %s has status %d for %q; want 401", c, user, sc.path, resp.StatusCode, name)
		}
		c.who[sc.profile] = "" // a new handshake ends the identity before
	}
	second.authorization = func() (string, error) { return ntlmType3(scheme, challenge, user, password) }
	second.check = func(resp *http.Response, name string) {
		switch {
		case right && (resp.StatusCode != http.StatusOK || name != user):
			c.ledger.misnamed(name, user, "%s: logon of %s at %s has status %d for %q; want 200", c, user, sc.path, resp.StatusCode, name)
		case !right && (resp.StatusCode != http.StatusUnauthorized || name != ""):
			c.ledger.misnamed(name, "", "%s: a wrong password of %s at %s has status %d for %q; want 401", c, user, sc.path, resp.StatusCode, name)
		case right:
			c.who[sc.profile] = user
			c.ledger.note(&c.ledger.logons)
		default:
			c.ledger.note(&c.ledger.refused)
		}
	}
	c.ask(first)
	if c.rng.IntN(3) == 0 {
		c.ask(c.anonymous(scenes[c.rng.IntN(len(scenes))]))
	}
	c.ask(second)
}

func (c *caller) String() string { return fmt.Sprintf("connection %d from %s", c.call, c.source) }

func passwordOf(user string) string { return "the password of " + user }

// request is one request of a caller, and what is known of it.
type request struct {
	*caller
	scene
	authorization func() (string, error) // nil: none
	check         func(resp *http.Response, name string)
	body          string
	chunked       bool
	large         bool   // the body is a megabyte, if the server reads it: it does not where it refuses
	welcome       bool   // the credentials are right
	rest          string // still to be written
	expect        string // who the connection is when the request is sent
	pinned        bool   // its server is known then
	sent          []int  // moment of that
	sentTime      int    // of the ledger
}

// request returns a request that has a body where the method does.
func (c *caller) request(sc scene) *request {
	r := &request{caller: c, scene: sc}
	if sc.method == "POST" {
		r.body = strings.Repeat("0123456789abcdef", c.rng.IntN(2)*c.rng.IntN(4096))
		r.chunked = c.rng.IntN(2) == 0
		r.large = c.rng.IntN(8) == 0
	}
	return r
}

// write sends the head and the first half of the body.
func (r *request) write() error {
	r.sent, r.sentTime = r.outages.moment(), r.ledger.now()
	r.expect, r.pinned = r.who[r.profile], r.pins[r.profile] != ""
	if r.large && r.windows && (r.welcome || r.authorization == nil && r.expect != "") {
		r.body = megabyte
		r.ledger.note(&r.ledger.large)
	}
	r.wire.within(patience)
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: mail.lab.test\r\n", r.method, r.path)
	if r.authorization == nil {
		head += fmt.Sprintf("X-Expect-User: %s\r\n", r.expect)
	} else {
		value, err := r.authorization()
		if err != nil {
			r.ledger.breach("%s: %v", r.caller, err)
			return err
		}
		head += fmt.Sprintf("Authorization: %s\r\n", value)
	}
	first, second := r.body[:len(r.body)/2], r.body[len(r.body)/2:]
	if r.chunked {
		r.rest = chunk(second) + "0\r\n\r\n"
		r.send(head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(first))
	} else {
		r.rest = second
		r.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(r.body), first))
	}
	return nil
}

func chunk(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
}

// megabyte is as long as a body may be that the servers read.
var megabyte = strings.Repeat("0123456789abcdef", 1<<16)

// writeRest sends what write left.
func (r *request) writeRest() error {
	r.send(r.rest)
	r.rest = ""
	return nil
}

// send writes text. If the connection is gone, read finds out, in the order of
// the requests that were sent.
func (r *request) send(text string) { _, _ = r.wire.Write([]byte(text)) }

// read reads the answer and compares it with what must be.
func (r *request) read() error {
	_ = r.writeRest() // of a body that was not given a step of its own
	resp, body, err := r.wire.answer(r.method)
	if err != nil {
		return r.missed(err)
	}
	server, conn := resp.Header.Get("X-Lab-Server"), resp.Header.Get("X-Lab-Conn")
	if server == "" {
		return r.missed(fmt.Errorf("status %d %q", resp.StatusCode, body)) // casbah's own
	}
	if _, ok := r.seen[server]; !ok {
		r.seen[server] = r.sent
	}
	name := resp.Header.Get("X-Lab-User")
	if inside := between(body, ">", "</lab:User>"); inside != "" && inside != name {
		r.ledger.misnamed(inside, name, "%s: the head of the answer is for %q, its body for %q", r.caller, name, inside)
	}
	r.belongs(resp, conn)
	r.check(resp, name)
	if resp.Close {
		return errHangUp
	}
	return nil
}

// errHangUp ends a connection that the server wants closed.
var errHangUp = errors.New("the server closes")

// between returns the text before after, from the last before.
func between(text, before, after string) string {
	text, _, ok := strings.Cut(text, after)
	if !ok {
		return ""
	}
	return text[strings.LastIndex(text, before)+1:]
}

// belongs compares the server's connection with those that it must and must not
// be.
func (r *request) belongs(resp *http.Response, conn string) {
	carries := r.authorization != nil ||
		resp.StatusCode == http.StatusUnauthorized && r.windows
	if owner, foreign := r.ledger.served(conn, r.call, r.sentTime, carries); foreign {
		r.ledger.breach("%s: %s was answered on %s, which belongs to connection %d", r.caller, r.path, conn, owner)
	}
	switch pin := r.pins[r.profile]; {
	case pin != "" && pin != conn:
		r.ledger.breach("%s: %s was answered on %s; it is pinned to %s", r.caller, r.path, conn, pin)
	case carries:
		r.pins[r.profile] = conn
	}
}

// missed takes down a request that got no answer of a server, and reports that
// the connection is of no use any more. Only a server that stopped explains it:
// one that the connection has to do with, or any if it is not known which one
// the request went to.
func (r *request) missed(err error) error {
	explained := !r.pinned && r.outages.since(r.sent, "")
	for server, moment := range r.seen {
		explained = explained || r.outages.since(moment, server)
	}
	if !explained {
		r.ledger.breach("%s: %s %s was lost and no server of its had stopped: %v", r.caller, r.method, r.path, err)
	} else {
		r.ledger.note(&r.ledger.lost)
	}
	return err
}
