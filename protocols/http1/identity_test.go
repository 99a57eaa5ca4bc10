package http1

import (
	"encoding/base64"
	"strings"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/protocols/ntlm"
	"casbah/route"
)

// crooked is a driver that hands out connections which are somebody else's: what it
// does to each leg is the test's.
type crooked struct {
	*fake
	lend func(l *fakeLeg)
}

func (c *crooked) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	id := c.fake.Dial(e, reuse)
	c.lend(c.legs[id])
	return id
}

// crook has the core of f be called with a driver that lends, for what the client
// sends.
func (f *fake) crook(lend func(l *fakeLeg), say string) {
	f.call(func() { f.core.Bytes(f.now, engine.Client, []byte(say), &crooked{f, lend}) })
}

// forget drops what both sides of the last pair have got.
func (f *fake) forget() {
	f.client().take()
	f.last().take()
}

// stranger is the number of a client connection that is not there.
const stranger = 1 << 60

// A request that would leave on somebody else's connection leaves on none: both
// sides are closed, nothing is sent, and it is counted and told.
func TestForeignConnectionIsNotUsed(t *testing.T) {
	login := request("/ews", "Authorization: NTLM TlRM")
	foreign := func(l *fakeLeg) { l.tied = stranger }
	tests := []struct {
		name   string
		play   func(f *fake)
		pinned bool
	}{
		{"from-the-pool", func(f *fake) { f.crook(foreign, request("/oab", "")) }, false},
		{"for-a-login", func(f *fake) { f.crook(foreign, login) }, true},
		{"under-an-anonymous-client", func(f *fake) {
			f.fromClient(request("/oab", ""))
			f.reply(ok)
			foreign(f.last())
			f.forget()
			f.fromClient(request("/oab", ""))
		}, false},
		{"under-a-pinned-pair", func(f *fake) {
			f.fromClient(login)
			f.reply(ok)
			foreign(f.last())
			f.forget()
			f.fromClient(request("/ews", ""))
		}, true},
		{"pinned-and-not-tied", func(f *fake) {
			f.fromClient(login)
			f.reply(ok)
			f.last().tied = 0
			f.forget()
			f.fromClient(request("/ews", ""))
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			for _, p := range s.vip.Profiles {
				p.Candidates = p.Candidates[:1] // or the next request is for another server
			}
			var told []route.Foreign
			s.vip.Faulted = func(f route.Foreign) { told = append(told, f) }
			f := s.open(t)
			tt.play(f)
			l := f.last()
			want(t, "server got", l.take(), "")
			want(t, "client got", f.client().take(), "")
			if !l.closed || l.how != engine.Reset || !f.client().closed || f.client().how != engine.Reset {
				t.Errorf("server %s, client %s; want both reset", l.fate(), f.client().fate())
			}
			if n := s.vip.Counters.Identities.Faults.Load(); n != 1 || len(told) != 1 {
				t.Fatalf("%d faults counted, %d told; want 1 of each", n, len(told))
			}
			if got := told[0]; got.VIP != "mail" || got.Server != l.endpoint.Name || got.Pinned != tt.pinned || got.Client != s.conn.Remote {
				t.Errorf("told of %+v", got)
			}
			if r := s.record(t); r.End != route.EndIdentity || r.Status != 0 {
				t.Errorf("record: %v, status %d; want identity, 0", r.End, r.Status)
			}
			s.idle(t)
		})
	}
}

// With a fault nothing of the client's is left: other pairs, and what could be parked.
func TestForeignConnectionEndsAllOfTheClient(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/oab", ""))
	f.reply(ok)
	f.fromClient(request("/owa", "Authorization: NTLM TlRM"))
	f.reply(ok)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	f.last().tied = stranger
	f.fromClient(request("/ews", ""))
	for i, l := range f.log {
		if !l.closed || l.how == engine.Park {
			t.Errorf("connection %d: %s", i, l.fate())
		}
	}
}

// All faults are counted, one in ten seconds is told.
func TestForeignConnectionsAreToldSparingly(t *testing.T) {
	s := newSite(t)
	told := 0
	s.vip.Faulted = func(route.Foreign) { told++ }
	for i := range 30 {
		f := s.open(t)
		f.now += int64(i) * 1e9
		f.crook(func(l *fakeLeg) { l.tied = stranger }, request("/ews", ""))
	}
	if n := s.vip.Counters.Identities.Faults.Load(); n != 30 || told != 3 {
		t.Errorf("%d faults counted, %d told; want 30, 3", n, told)
	}
}

// Numbers of client connections are never used again, also where memory is.
func TestConnectionNumbersAreNotReused(t *testing.T) {
	s := newSite(t)
	seen := map[uint64]bool{0: true}
	for range 1000 {
		f := s.open(t)
		c, _ := f.core.(*Conn)
		if seen[c.number] {
			t.Fatalf("number %d was given twice, or is none", c.number)
		}
		seen[c.number] = true
		f.end(f.client(), nil)
	}
}

// ntlm3 is a type 3 message of that user in base64.
func ntlm3(domain, user string) string {
	m := make([]byte, 64)
	copy(m, "NTLMSSP\x00\x03")
	m[60] = 1 // Unicode
	for at, text := range map[int]string{28: domain, 36: user} {
		f := ntlm.Unicode.AppendText(nil, text)
		m[at], m[at+2], m[at+4], m[at+5] = byte(len(f)), byte(len(f)), byte(len(m)), byte(len(m)>>8)
		m = append(m, f...)
	}
	return base64.StdEncoding.EncodeToString(m)
}

// ticket is a Kerberos token, as it begins.
var ticket = base64.StdEncoding.EncodeToString([]byte("\x60\x19\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00 some ticket"))

// A pair knows whom its credentials named last. Another user stays on it and is
// counted; the same one, in whatever case, the first legs of a handshake and what
// cannot be read are no other user.
func TestPairKnowsItsIdentity(t *testing.T) {
	long := strings.Repeat("u", 60)
	tests := []struct {
		name     string
		values   []string
		want     string
		relogins uint64
	}{
		{"type-1", []string{"NTLM TlRMTVNTUAABAAAAAAAAAA=="}, "", 0},
		{"type-3", []string{"NTLM " + ntlm3("EXAMPLE", "Alice")}, `example\alice`, 0},
		{"again", []string{"NTLM " + ntlm3("EXAMPLE", "Alice"), "NTLM TlRMTVNTUAABAAAAAAAAAA==", "Negotiate " + ntlm3("example", "ALICE")}, `example\alice`, 0},
		{"another", []string{"NTLM " + ntlm3("EXAMPLE", "Alice"), "NTLM " + ntlm3("EXAMPLE", "Bob")}, `example\bob`, 1},
		{"back", []string{"NTLM " + ntlm3("E", "a"), "NTLM " + ntlm3("E", "b"), "NTLM " + ntlm3("E", "a")}, `e\a`, 2},
		{"kerberos", []string{"Negotiate " + ticket, "Negotiate " + ticket}, "kerberos", 0},
		{"kerberos-scheme", []string{"Kerberos " + ticket}, "kerberos", 0},
		{"kerberos-after-ntlm", []string{"NTLM " + ntlm3("E", "a"), "Negotiate " + ticket}, "kerberos", 1},
		{"listed", []string{"Basic YTpi, NTLM " + ntlm3("E", "a")}, `e\a`, 0},
		{"unreadable", []string{"NTLM " + ntlm3("E", "a"), "NTLM !!!", "NTLM", "Negotiate YII="}, `e\a`, 0},
		{"long", []string{"NTLM " + ntlm3("E", long)}, "e\\" + long[:maxName-2], 0},
		{"long-and-other", []string{"NTLM " + ntlm3("E", long+"1"), "NTLM " + ntlm3("E", long+"2")}, "e\\" + long[:maxName-2], 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			for _, value := range tt.values {
				f.fromClient(request("/ews", "Authorization: "+value))
				f.reply(ok)
			}
			c, _ := f.core.(*Conn)
			if len(f.log) != 1 || c.pins == nil {
				t.Fatalf("%d connections to servers, pinned %v; want 1 that is", len(f.log), c.pins != nil)
			}
			want(t, "identity", string(c.pins.carried.text()), tt.want)
			if n := s.vip.Counters.Identities.Relogins.Load(); n != tt.relogins {
				t.Errorf("%d relogins; want %d", n, tt.relogins)
			}
		})
	}
}

// Access records name users only where the site asks for it.
func TestRecordNamesUsersWhereAsked(t *testing.T) {
	for _, asked := range []bool{false, true} {
		s := newSite(t)
		s.vip.Users = asked
		var users []string
		s.vip.Log = func(r *route.Record) { users = append(users, string(r.User)) }
		f := s.open(t)
		for _, line := range []string{"", "Authorization: NTLM " + ntlm3("E", "alice"), ""} {
			f.fromClient(request("/ews", line))
			f.reply(ok)
		}
		want(t, "users", strings.Join(users, ","), map[bool]string{false: ",,", true: `,e\alice,e\alice`}[asked])
	}
}

// Identities belong to pairs: a connection with two has two.
func TestEachPairHasItsOwnIdentity(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM "+ntlm3("E", "alice")))
	f.reply(ok)
	f.fromClient(request("/owa", "Authorization: NTLM "+ntlm3("E", "bob")))
	f.reply(ok)
	if n := s.vip.Counters.Identities.Relogins.Load(); n != 0 {
		t.Errorf("%d relogins; want 0", n)
	}
}

// What a server says about authentication reaches the client octet for octet, in one
// line or in several, with Persistent-Auth whatever it says.
func TestAuthenticationLinesPass(t *testing.T) {
	for _, lines := range []string{
		"WWW-Authenticate: Negotiate, NTLM\r\n",
		"WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm=\"mail.example.org\"\r\n",
		"www-authenticate: nTLM ,  Basic realm=\"a, b\"\r\n",
		"WWW-Authenticate: Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"a@b\", Negotiate\r\n",
		"Persistent-Auth: true\r\nWWW-Authenticate: NTLM\r\n",
		"Persistent-Auth: false\r\nWWW-Authenticate: Negotiate oYGg\r\n",
	} {
		f := newSite(t).open(t)
		answer := "HTTP/1.1 401 Unauthorized\r\n" + lines + "Content-Length: 0\r\n\r\n"
		f.fromClient(request("/ews", ""))
		f.reply(answer)
		want(t, "client got", f.client().take(), answer)
		final := "HTTP/1.1 200 OK\r\n" + lines + "Content-Length: 2\r\n\r\nok"
		f.fromClient(request("/ews", "Authorization: NTLM "+ntlm3("E", "a")))
		f.reply(final)
		want(t, "client got", f.client().take(), final)
	}
}

// A wrong password between right ones stays on its pair: the server asks again there,
// and nobody else is asked.
func TestWrongPasswordStaysOnItsPair(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	one, alice, bob := "NTLM TlRMTVNTUAABAAAAAAAAAA==", "NTLM "+ntlm3("E", "alice"), "NTLM "+ntlm3("E", "bob")
	for _, leg := range []struct{ value, answer string }{
		{"", offer}, {one, offer}, {alice, ok}, // right
		{one, offer}, {alice, offer}, // wrong
		{one, offer}, {bob, offer}, // of another user, wrong
		{one, offer}, {alice, ok}, // right again
		{"", ok},
	} {
		line := ""
		if leg.value != "" {
			line = "Authorization: " + leg.value
		}
		f.fromClient(request("/ews", line))
		f.reply(leg.answer)
		want(t, "client got", f.client().take(), leg.answer)
	}
	if len(f.log) != 1 || f.client().closed || s.vip.Counters.Identities.Relogins.Load() != 2 {
		t.Errorf("%d connections, client closed %v, %d relogins; want 1, false, 2", len(f.log), f.client().closed, s.vip.Counters.Identities.Relogins.Load())
	}
}
