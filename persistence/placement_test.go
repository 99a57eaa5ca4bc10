package persistence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// placing is a chain with a placement.
func placing(tb testing.TB, table *Table, prefers bool, steps ...Step) (*Chain, *PlacementFigures) {
	tb.Helper()
	figures := new(PlacementFigures)
	members := []Member{{ID: cas1, Name: "cas1"}, {ID: cas2, Name: "ex2"}, {ID: cas3, Name: "cas3"}}
	p := NewPlacement(PlacementConfig{
		Pool: "cas", Prefers: prefers, Table: table, Figures: figures,
		Servers: []PlacementServer{{cas1, "cas1", ""}, {cas2, "ex2", "MBX2.corp.example.org"}, {cas3, "cas3", ""}},
	})
	c, err := NewChain(Config{Scope: "s", Steps: steps, Table: table, Timeout: time.Hour, Fallback: true, Members: members, Placement: p})
	if err != nil {
		tb.Fatal(err)
	}
	return c, figures
}

// head returns a request with these lines.
func headOf(tb testing.TB, target string, lines ...string) *Request {
	tb.Helper()
	r := &Request{Head: new(httphead.Request)}
	text := "POST " + target + " HTTP/1.1\r\nHost: h\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	if err := r.Head.Parse([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	return r
}

// answerOf returns a response with these lines.
func answerOf(tb testing.TB, status int, lines ...string) *httphead.Response {
	tb.Helper()
	resp := new(httphead.Response)
	text := fmt.Sprintf("HTTP/1.1 %d X\r\n%s", status, strings.Join(append(lines, "", ""), "\r\n"))
	if err := resp.Parse([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	return resp
}

// everybody is up.
type everybody struct{}

func (everybody) Standing(balance.ServerID) Standing { return Usable }

const basicAlice = "Authorization: Basic YWxpY2VAZXhhbXBsZS5vcmc6c2VjcmV0" // alice@example.org:secret

// Where a mailbox is, is learned from an answer of success and from none other, under
// the name that the request gives it, and told of the next request that names it.
func TestPlaceIsLearned(t *testing.T) {
	full, short := "X-CalculatedBETarget: mbx2.corp.example.org", "X-BEServer: MBX2"
	tests := []struct {
		name   string
		learns *Request
		answer *httphead.Response
		asks   *Request
		want   balance.ServerID
	}{
		{"full-name", headOf(t, "/ews/", basicAlice), answerOf(t, 200, full), headOf(t, "/mapi/", basicAlice), cas2},
		{"short-name", headOf(t, "/ews/", basicAlice), answerOf(t, 200, short), headOf(t, "/mapi/", basicAlice), cas2},
		{"both", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-BEServer: CAS1", full), headOf(t, "/mapi/", basicAlice), cas2},
		{"by-name-alone", headOf(t, "/ews/", basicAlice), answerOf(t, 204, "x-beserver: cAs3"), headOf(t, "/mapi/", basicAlice), cas3},
		{"with-a-port", headOf(t, "/ews/", basicAlice), answerOf(t, 200, full+":444"), headOf(t, "/ews/", basicAlice), cas2},
		{"twice", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-CalculatedBETarget: cas1, mbx2.corp.example.org"), headOf(t, "/ews/", basicAlice), cas1},
		{"anchor", headOf(t, "/ews/", "X-AnchorMailbox: SMTP:Alice@Example.org"), answerOf(t, 200, full), headOf(t, "/ews/", basicAlice), cas2},
		{"mailbox-id", headOf(t, "/mapi/emsmdb/?MailboxId=alice%40example.org"), answerOf(t, 200, full), headOf(t, "/ews/", basicAlice), cas2},
		{"eas", headOf(t, "/eas?User=alice%40example.org&DeviceId=1"), answerOf(t, 200, full), headOf(t, "/ews/", basicAlice), cas2},
		{"another-mailbox", headOf(t, "/ews/", basicAlice), answerOf(t, 200, full), headOf(t, "/ews/", "X-AnchorMailbox: bob@example.org"), 0},
		{"nobody", headOf(t, "/owa/"), answerOf(t, 200, full), headOf(t, "/owa/"), 0},
		{"refused", headOf(t, "/ews/", basicAlice), answerOf(t, 401, full), headOf(t, "/ews/", basicAlice), 0},
		{"redirect", headOf(t, "/ews/", basicAlice), answerOf(t, 302, full), headOf(t, "/ews/", basicAlice), 0},
		{"fault", headOf(t, "/ews/", basicAlice), answerOf(t, 500, full), headOf(t, "/ews/", basicAlice), 0},
		{"page-for-anybody", headOf(t, "/ews/healthcheck.htm", basicAlice), answerOf(t, 200, full), headOf(t, "/ews/", basicAlice), 0},
		{"another-domain", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-CalculatedBETarget: mbx2.other.example.org"), headOf(t, "/ews/", basicAlice), 0},
		{"no-server-of-the-pool", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-BEServer: MBX9"), headOf(t, "/ews/", basicAlice), 0},
		{"front-alone", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-FEServer: CAS1"), headOf(t, "/ews/", basicAlice), 0},
		{"garbage", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-BEServer: <cas1>"), headOf(t, "/ews/", basicAlice), 0},
		{"too-long", headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-BEServer: cas1."+strings.Repeat("x", maxHostname)), headOf(t, "/ews/", basicAlice), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := placing(t, NewTable(TableOptions{PerCore: 100, Cores: 1}), true, Step{By: SourceIP})
			var w Walk
			c.Walk(start, tt.learns, everybody{}, &w)
			c.Place(start, &w, cas1, tt.answer)
			c.Walk(start+1e9, tt.asks, everybody{}, &w)
			if got := c.Home(&w); got != tt.want {
				t.Errorf("the mailbox is on %d; want %d", got, tt.want)
			}
			if w.Server != 0 {
				t.Errorf("the walk found %d: a place binds nobody", w.Server)
			}
		})
	}
}

// A mailbox that moves is found where it is; one of which nothing is heard is
// forgotten after a week, a session's place with the session.
func TestPlaceIsLearnedAnewAndForgotten(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	c, _ := placing(t, table, true, Step{By: Cookie, Name: "sid", Origin: FromClient})
	var w Walk
	home := func(now int64, r *Request) balance.ServerID {
		c.Walk(now, r, everybody{}, &w)
		return c.Home(&w)
	}
	alice, session := headOf(t, "/ews/", basicAlice), headOf(t, "/owa/", "Cookie: sid=0123456789")
	for _, r := range []*Request{alice, session} {
		home(start, r)
		c.Place(start, &w, cas1, answerOf(t, 200, "X-BEServer: cas1"))
		home(start+1e9, r)
		c.Place(start+1e9, &w, cas1, answerOf(t, 200, "X-BEServer: cas3"))
		if got := home(start+2e9, r); got != cas3 {
			t.Errorf("after its move the mailbox is on %d; want %d", got, cas3)
		}
	}
	hour, week := int64(time.Hour), 7*24*int64(time.Hour)
	if got := home(start+hour+10e9, session); got != 0 {
		t.Errorf("an hour later the session's mailbox is on %d; want forgotten", got)
	}
	if got := home(start+week, alice); got != cas3 {
		t.Errorf("a week later the mailbox is on %d; want %d", got, cas3)
	}
	if got := home(start+week+week/1000+10e9, alice); got != 0 {
		t.Errorf("later still it is on %d; want forgotten", got)
	}
}

// What is only watched steers nobody, and is known when it is to steer.
func TestPlaceIsObserved(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	watched, figures := placing(t, table, false)
	alice := headOf(t, "/ews/", basicAlice)
	var w Walk
	watched.Walk(start, alice, everybody{}, &w)
	watched.Place(start, &w, cas1, answerOf(t, 200, "X-BEServer: cas3"))
	watched.Walk(start, alice, everybody{}, &w)
	if got := watched.Home(&w); got != 0 || figures.Told.Load() != 1 {
		t.Errorf("steered to %d, %d told; want 0, 1", got, figures.Told.Load())
	}
	prefers, _ := placing(t, table, true)
	prefers.Walk(start, alice, everybody{}, &w)
	if got := prefers.Home(&w); got != cas3 {
		t.Errorf("the mailbox is on %d; want %d", got, cas3)
	}
}

// A request crosses where the server that took it is not the one that holds the
// mailbox, as the answer says; where it does not name the first, it is casbah's choice.
func TestCrossingsAreCounted(t *testing.T) {
	tests := []struct {
		name    string
		by      balance.ServerID
		lines   []string
		told    uint64
		crossed uint64
		unknown uint64
	}{
		{"straight", cas2, []string{"X-FEServer: MBX2", "X-CalculatedBETarget: mbx2.corp.example.org"}, 1, 0, 0},
		{"sideways", cas1, []string{"X-FEServer: CAS1", "X-CalculatedBETarget: mbx2.corp.example.org"}, 1, 1, 0},
		{"straight-without-front", cas2, []string{"X-BEServer: mbx2"}, 1, 0, 0},
		{"sideways-without-front", cas3, []string{"X-BEServer: mbx2"}, 1, 1, 0},
		{"outside", cas1, []string{"X-FEServer: CAS1", "X-BEServer: MBX9"}, 1, 1, 1},
		{"straight-outside", cas1, []string{"X-FEServer: MBX9", "X-BEServer: MBX9"}, 1, 0, 1},
		{"silent", cas1, []string{"X-FEServer: CAS1"}, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, f := placing(t, NewTable(TableOptions{PerCore: 100, Cores: 1}), false)
			var w Walk
			c.Walk(start, headOf(t, "/owa/"), everybody{}, &w)
			c.Place(start, &w, tt.by, answerOf(t, 401, tt.lines...))
			if f.Told.Load() != tt.told || f.Crossed.Load() != tt.crossed || f.Unknown.Load() != tt.unknown {
				t.Errorf("told %d, crossed %d, unknown %d; want %d, %d, %d",
					f.Told.Load(), f.Crossed.Load(), f.Unknown.Load(), tt.told, tt.crossed, tt.unknown)
			}
		})
	}
}

// Places are no bindings: a full table keeps its bindings and does not count them as
// lost; listings, deletions and the figures of servers leave them out.
func TestPlacesAreNoBindings(t *testing.T) {
	const capacity = 50
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	c, _ := placing(t, table, true)
	var w Walk
	place := func(user string) {
		c.Walk(start, headOf(t, "/ews/", "X-AnchorMailbox: "+user), everybody{}, &w)
		c.Place(start, &w, cas1, answerOf(t, 200, "X-BEServer: cas1"))
	}
	place("alice")
	place("bob")
	for i := range capacity - 2 {
		bindAt(table, sec0, i, cas2, true)
	}
	for i := range 100 {
		place(fmt.Sprint("user", i))
	}
	st := table.Stats(start)
	if st.Placements != 2 || st.ByServer[cas1] != 0 || st.ByServer[cas2] != capacity-2 || st.Refusals != 0 || st.Evictions != 0 {
		t.Errorf("stats %+v", st)
	}
	listed := 0
	table.Range(start, func(Binding) bool { listed++; return true })
	if listed != capacity-2 {
		t.Errorf("%d bindings are listed; want %d", listed, capacity-2)
	}
	marked := 0
	table.Select(start, &Selection{Marks: map[uint16]bool{PlacementMark: true}}, func(Binding) bool { marked++; return true })
	if marked != 2 {
		t.Errorf("%d places are listed; want 2", marked)
	}
	if n := table.Delete(start, &Selection{}); n != capacity-2 || table.Stats(start).Placements != 2 {
		t.Errorf("%d deleted, %d places left; want %d, 2", n, table.Stats(start).Placements, capacity-2)
	}
}

// However many mailboxes a client names, what is known of them gives way to every
// binding that needs room, whatever the policy, and never the other way round.
func TestPlacesGiveWayToBindings(t *testing.T) {
	const capacity = 500
	for _, policy := range []Full{EvictOldest, Refuse} {
		table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
		c, _ := placing(t, table, true)
		for i := range capacity / 5 {
			bindAt(table, sec0, i, cas2, true)
		}
		var w Walk
		for i := range 3 * capacity {
			now := start + int64(i/100)*1e9
			c.Walk(now, headOf(t, "/ews/", fmt.Sprint("X-AnchorMailbox: user", i)), everybody{}, &w)
			c.Place(now, &w, cas1, answerOf(t, 200, "X-BEServer: cas1"))
		}
		if st := table.Stats(start); st.ByServer[cas2] != capacity/5 || st.Placements != capacity-capacity/5 {
			t.Fatalf("%d bindings and %d places in a full table; want %d and %d", st.ByServer[cas2], st.Placements, capacity/5, capacity-capacity/5)
		}
		for i := capacity / 5; i < capacity; i++ {
			o := &order{key: keyOf(i), word: newWord(cas2, sec0+20+uint32(i), true, newSpan(time.Hour)), full: fullness{policy: policy}}
			if table.bind(o) == 0 {
				t.Fatalf("policy %d: no room for binding %d beside places", policy, i)
			}
		}
		few := 0 // that a sample of the table need not show
		if policy == EvictOldest {
			few = capacity / 8
		}
		if st := table.Stats(start + 20e9); st.Placements > few || int(st.Evictions) > few || st.Refusals != 0 {
			t.Errorf("policy %d: %d bindings and %d places are left, %d evictions; want at most %d of these", policy, st.ByServer[cas2], st.Placements, st.Evictions, few)
		}
	}
}

// A binding that is not confirmed yet needs room as well: of two channels that come at
// the same time the second follows the first by it.
func TestPlacesGiveWayToUnconfirmedBindings(t *testing.T) {
	const capacity = 500
	for _, policy := range []Full{EvictOldest, Refuse} {
		table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
		c, _ := placing(t, table, true)
		var w Walk
		for i := range capacity {
			c.Walk(start, headOf(t, "/ews/", fmt.Sprint("X-AnchorMailbox: user", i)), everybody{}, &w)
			c.Place(start, &w, cas1, answerOf(t, 200, "X-BEServer: cas1"))
		}
		for i := range capacity / 10 {
			now := start + int64(i)*1e9
			c.Walk(now, headOf(t, "/ews/", fmt.Sprint("X-AnchorMailbox: late", i)), everybody{}, &w)
			c.Place(now, &w, cas1, answerOf(t, 200, "X-BEServer: cas1")) // finds none
			o := &order{key: keyOf(i), word: newWord(cas2, sec0+uint32(i), false, newSpan(time.Hour)), full: fullness{policy: policy}}
			if table.bind(o) == 0 {
				t.Fatalf("policy %d: no room for unconfirmed binding %d beside places", policy, i)
			}
		}
		st := table.Stats(start + 50e9)
		if st.Unconfirmed != capacity/10 || st.Placements != capacity-capacity/10 || st.Evictions != 0 || st.Refusals != 0 {
			t.Errorf("policy %d: %+v", policy, st)
		}
		checkCounts(t, table)
	}
}

// Places are saved and restored with the bindings, and not counted as such.
func TestPlacesAreSaved(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	c, _ := placing(t, table, true)
	alice := headOf(t, "/ews/", basicAlice)
	var w Walk
	c.Walk(start, alice, everybody{}, &w)
	c.Place(start, &w, cas1, answerOf(t, 200, "X-BEServer: cas3"))
	bindAt(table, sec0, 1, cas2, true)
	bindAt(table, sec0, 2, cas2, true)
	var file bytes.Buffer
	if n, err := table.Save(t.Context(), start, &file, Secret{}, []string{"cas1", "cas2", "cas3"}); err != nil || n != 2 {
		t.Fatalf("saved %d, %v; want 2 bindings", n, err)
	}
	again := NewTable(TableOptions{PerCore: 100, Cores: 1})
	ids := map[string]balance.ServerID{"cas1": cas1, "cas2": cas2, "cas3": cas3}
	got, err := again.Restore(start, bytes.NewReader(file.Bytes()), Secret{}, func(name string) balance.ServerID { return ids[name] })
	if st := again.Stats(start); err != nil || got.Bindings != 2 || st.Bindings != 2 || st.Placements != 1 {
		t.Fatalf("restored %+v, %v, of which there are %d, and %d places; want 2 and 1", got, err, st.Bindings, st.Placements)
	}
	next, _ := placing(t, again, true)
	next.Walk(start+1e9, alice, everybody{}, &w)
	if got := next.Home(&w); got != cas3 {
		t.Errorf("after a restart the mailbox is on %d; want %d", got, cas3)
	}
}

// No step has the mark of places, whatever the secret.
func TestNoStepHasTheMarkOfPlaces(t *testing.T) {
	for i := range 200_000 {
		secret := Secret{byte(i), byte(i >> 8), byte(i >> 16)}
		st, err := newStep(&Config{Scope: "s", Secret: secret}, Step{By: Mailbox})
		if err != nil || st.mark == PlacementMark {
			t.Fatalf("secret %x: mark %x, %v", secret, st.mark, err)
		}
	}
}

func TestPlacingDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, _ := placing(t, NewTable(TableOptions{PerCore: 100, Cores: 1}), true, Step{By: SourceIP})
	r, resp := headOf(t, "/ews/", basicAlice), answerOf(t, 200, "X-FEServer: CAS1", "X-CalculatedBETarget: mbx2.corp.example.org", "X-BEServer: MBX2")
	var w Walk
	now := start
	n := testing.AllocsPerRun(1000, func() {
		now += 1e9
		c.Walk(now, r, everybody{}, &w)
		c.Home(&w)
		c.Place(now, &w, cas1, resp)
	})
	if n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

// FuzzPlacement gives servers' answers that name others in whatever way: a name that
// is taken is a part of what stands there, short and of host octets alone, and only
// a server of the pool is learned.
func FuzzPlacement(f *testing.F) {
	for _, name := range []string{"mbx2.corp.example.org", "CAS1", "cas1:444", "cas1, cas3", "", ".", "-", "mbx2.", "cas1 cas3", "\x00", strings.Repeat("a", 254)} {
		f.Add(name, name, "cas1", 200)
		f.Add("", name, "", 401)
	}
	f.Fuzz(func(t *testing.T, target, back, front string, status int) {
		lines := ""
		for name, value := range map[string]string{"X-CalculatedBETarget": target, "X-BEServer": back, "X-FEServer": front} {
			lines += name + ": " + value + "\r\n"
		}
		resp := new(httphead.Response)
		if resp.Parse(fmt.Appendf(nil, "HTTP/1.1 %03d X\r\n%s\r\n", 100+uint(status)%500, lines)) != nil {
			return
		}
		c, figures := placing(t, NewTable(TableOptions{PerCore: 100, Cores: 1}), true)
		got := toldBy(resp)
		for _, name := range [][]byte{got.back, got.front} {
			if name == nil {
				continue
			}
			if len(name) == 0 || len(name) > maxHostname || !bytes.Contains(resp.Raw, name) || bytes.ContainsFunc(name, func(r rune) bool { return r > 0x7f || !isHostOctet(byte(r)) }) {
				t.Fatalf("%q is taken for a name", name)
			}
		}
		var w Walk
		r := headOf(t, "/ews/", basicAlice)
		c.Walk(start, r, everybody{}, &w)
		c.Place(start, &w, cas1, resp)
		c.Walk(start, r, everybody{}, &w)
		home := c.Home(&w)
		if known := c.placement.server(got.back); resp.Status/100 != 2 && home != 0 || resp.Status/100 == 2 && home != known {
			t.Fatalf("status %d, %q: the mailbox is on %d; the name is of %d", resp.Status, got.back, home, known)
		}
		if figures.Crossed.Load() > figures.Told.Load() || figures.Unknown.Load() > figures.Told.Load() || (figures.Told.Load() == 1) != (got.back != nil) {
			t.Fatalf("told %d, crossed %d, unknown %d of %q", figures.Told.Load(), figures.Crossed.Load(), figures.Unknown.Load(), got.back)
		}
	})
}
