package persistence

import (
	"bytes"
	"net/netip"
	"testing"

	"casbah/balance"
	"casbah/internal/httphead"
)

// sessions is a chain that knows clients by their TLS sessions.
func sessions(t *testing.T, steps ...Step) *Chain {
	t.Helper()
	c, err := NewChain(Config{
		Scope: "bridge", Steps: append(steps, Step{By: SSLID}), Table: NewTable(TableOptions{PerCore: 1000, Cores: 1}),
		Timeout: 10 * 60 * 1e9, Fallback: true, Members: []Member{{ID: 1, Name: "cas1"}, {ID: 2, Name: "cas2"}},
		Crowds: new(Crowds), SharedAfter: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sessionID(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// S38: what a client says is bound by nobody but the server.
func TestSessionIsBoundByItsServer(t *testing.T) {
	const now = int64(1e18)
	c := sessions(t)
	if !c.KnowsSessions() {
		t.Fatal("a chain with ssl_id does not ask for sessions")
	}
	var w Walk
	r := Request{SessionID: sessionID(1)}
	for range 2 { // a random ID, as of TLS 1.3
		c.Walk(now, &r, allUsable{}, &w)
		if w.Server != 0 || w.Why != Fresh {
			t.Fatalf("an ID that no server has given leads to %d, %v", w.Server, w.Why)
		}
		c.Bind(now, &w, 1)
		c.Session(now, &w, nil)
	}
	c.Session(now, &w, sessionID(2))
	for id, want := range map[byte]balance.ServerID{1: 0, 2: 1, 3: 0} {
		c.Walk(now, &Request{SessionID: sessionID(id)}, allUsable{}, &w)
		if w.Server != want {
			t.Errorf("session %d leads to %d; want %d", id, w.Server, want)
		}
	}
	if c.Walk(now, &Request{}, allUsable{}, &w); w.Why != NoKey || w.Readings[0].Use != Absent {
		t.Errorf("without a session: %v, %v", w.Why, w.Readings[0].Use)
	}
	c.Session(now, &w, sessionID(4)) // before Bind, nobody serves
	if c.Walk(now, &Request{SessionID: sessionID(4)}, allUsable{}, &w); w.Server != 0 {
		t.Error("a session is bound before its connection has a server")
	}
}

// An ID that the client has brought, which a server repeats with a ticket, takes
// no live binding away; one that the server has made is its own.
func TestSessionThatIsRepeatedMovesNothing(t *testing.T) {
	const now = int64(1e18)
	c := sessions(t, Step{By: SourceIP})
	bind := func(source string, id []byte, server balance.ServerID, given []byte) {
		t.Helper()
		var w Walk
		c.Walk(now, &Request{Source: netip.MustParseAddr(source), SessionID: id}, allUsable{}, &w)
		c.Bind(now, &w, server)
		c.Session(now, &w, given)
	}
	leads := func(id []byte) balance.ServerID {
		var w Walk
		c.Walk(now, &Request{SessionID: id}, allUsable{}, &w)
		return w.Server
	}
	bind("192.0.2.1", nil, 1, sessionID(1))
	bind("192.0.2.2", sessionID(1), 2, sessionID(1))
	if got := leads(sessionID(1)); got != 1 {
		t.Errorf("the session that was repeated leads to %d; want 1", got)
	}
	bind("192.0.2.2", sessionID(5), 2, sessionID(5)) // resumed, after its binding ran out
	if got := leads(sessionID(5)); got != 2 {
		t.Errorf("the session that was resumed leads to %d; want 2", got)
	}
	bind("192.0.2.3", sessionID(7), 2, sessionID(1))
	if got := leads(sessionID(1)); got != 2 {
		t.Errorf("the session that cas2 has given leads to %d; want 2", got)
	}
}

// One client has many sessions: they do not make its address one of many clients.
func TestSessionsAreNotCounted(t *testing.T) {
	now := int64(1e18)
	c := sessions(t, Step{By: SourceIP})
	for n := range byte(50) {
		var w Walk
		for _, id := range [][]byte{nil, sessionID(n)} {
			now += 1e9
			c.Walk(now, &Request{Source: netip.MustParseAddr("192.0.2.1"), SessionID: id}, allUsable{}, &w)
			c.Bind(now, &w, 1)
			c.Session(now, &w, sessionID(n))
			c.Touch(now, &w)
		}
	}
	if got := c.Shared(now); len(got) > 0 {
		t.Errorf("shared: %+v; want no address", got)
	}
}

func TestSessionsDoNotAllocate(t *testing.T) {
	const now = int64(1e18)
	c := sessions(t)
	var w Walk
	r := Request{SessionID: sessionID(1)}
	given := sessionID(2)
	if n := testing.AllocsPerRun(100, func() {
		c.Walk(now, &r, allUsable{}, &w)
		c.Bind(now, &w, 1)
		c.Session(now, &w, given)
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

// S38: an identity that casbah has sealed binds on the request, for a minute
// until a server has said yes to its client, and is not counted behind an
// address.
func TestSealedSessionBindsOnTheRequest(t *testing.T) {
	const now, minute = int64(1e18), int64(60e9)
	c := sessions(t)
	ask := func(at int64, n byte, server balance.ServerID, status int) balance.ServerID {
		var w Walk
		c.Walk(at, &Request{SessionID: sessionID(n), SessionSealed: true}, allUsable{}, &w)
		got := w.Server
		c.Bind(at, &w, server)
		c.Learn(at, &w, server, &httphead.Response{Status: status}, nil)
		return got
	}
	if got := ask(now, 1, 1, 200); got != 0 {
		t.Errorf("a new session leads to %d", got)
	}
	ask(now, 2, 2, 401)
	if st := c.table.Stats(now); st.Bindings != 2 || st.Unconfirmed != 1 {
		t.Errorf("%d bindings, %d unconfirmed; want 2, 1", st.Bindings, st.Unconfirmed)
	}
	for _, tt := range []struct {
		after int64
		n     byte
		want  balance.ServerID
	}{{minute / 2, 1, 1}, {minute / 2, 2, 2}, {3 * minute, 1, 1}, {3 * minute, 2, 0}} {
		var w Walk
		c.Walk(now+tt.after, &Request{SessionID: sessionID(tt.n), SessionSealed: true}, allUsable{}, &w)
		if w.Server != tt.want {
			t.Errorf("after %d s, session %d leads to %d; want %d", tt.after/1e9, tt.n, w.Server, tt.want)
		}
	}
}

// A relayed connection has no answer of success: that its server has taken it
// is enough.
func TestSealedSessionOfARelayIsConfirmed(t *testing.T) {
	const now = int64(1e18)
	c := sessions(t)
	var w Walk
	c.Walk(now, &Request{SessionID: sessionID(1), SessionSealed: true}, allUsable{}, &w)
	c.Bind(now, &w, 1)
	if st := c.table.Stats(now); st.Unconfirmed != 1 {
		t.Errorf("before: %d unconfirmed; want 1", st.Unconfirmed)
	}
	c.Session(now, &w, sessionID(1))
	if st := c.table.Stats(now); st.Bindings != 1 || st.Unconfirmed != 0 {
		t.Errorf("after: %d bindings, %d unconfirmed; want 1, 0", st.Bindings, st.Unconfirmed)
	}
}
