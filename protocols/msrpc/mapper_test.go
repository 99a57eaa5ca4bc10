package msrpc

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// say is what one side says; server tells which.
type say struct {
	server bool
	octets []byte
}

// play takes a dialogue through a Mapper, in pieces, and returns what came out
// for either side.
func (m *Mapper) play(tb testing.TB, script []say, tb2 Table, cuts []int) (toServer, toClient []byte, errs int) {
	tb.Helper()
	for _, s := range script {
		for _, p := range cut(s.octets, cuts) {
			var err error
			if s.server {
				toClient, err = m.FromServer(toClient, p, tb2)
			} else {
				toServer, err = m.FromClient(toServer, p)
			}
			if err != nil {
				errs++
			}
			clear(p) // the Mapper keeps nothing of it
		}
		if held := cap(m.client.reader.part) + cap(m.server.reader.part) + cap(m.request.raw) + cap(m.response.raw); held > 4*MaxPDU+2*defaultOctets {
			tb.Fatalf("%d octets are held", held)
		}
	}
	return toServer, m.Rest(toClient), errs
}

// said returns all that a side says.
func said(script []say, server bool) (all []byte) {
	for _, s := range script {
		if s.server == server {
			all = append(all, s.octets...)
		}
	}
	return all
}

// dialogue is a bind to the mapper and one call.
type dialogue struct {
	client, server Drep
	wide           bool // NDR64, the second context of three
	op             uint16
	stub           []byte // of the answer
	size           int    // of a fragment
	auth           Auth   // of the answer
}

func (g *dialogue) script() []say {
	bind := Bind{
		Header: header(g.client, TypeBind, 1), MaxXmit: 5840, MaxRecv: 5840,
		Contexts: []Context{{Abstract: EPM, Transfer: []Syntax{NDR}}},
	}
	ack := BindAck{Header: header(g.server, TypeBindAck, 1), Association: 7, Address: []byte("135"), Results: []Result{{Transfer: NDR}}}
	req := Request{Header: header(g.client, TypeRequest, 2), Op: g.op}
	if g.wide {
		bind.Contexts = append(bind.Contexts, Context{ID: 1, Abstract: EPM, Transfer: []Syntax{NDR64}}, Context{ID: 2, Abstract: EPM, Transfer: []Syntax{FeatureSyntax(3)}})
		ack.Results = []Result{{Outcome: ProviderRejected, Reason: 2}, {Transfer: NDR64}, {Outcome: NegotiateAck, Reason: 3}}
		req.Context = 1
	}
	e := Encoding{BigEndian: g.client.BigEndian(), NDR64: g.wide}
	if req.Stub = (&LookupRequest{Versions: 1, Max: 500}).AppendTo(nil, e); g.op == OpMap {
		req.Stub = (&MapRequest{HasObject: true, Tower: tcpTower(NSPI, 0), Max: 4}).AppendTo(nil, e)
	}
	resp := Response{Header: header(g.server, TypeResponse, 2), Context: req.Context, Stub: g.stub, Auth: g.auth}
	return []say{
		{false, bind.AppendTo(nil)},
		{true, ack.AppendTo(nil)},
		{false, req.AppendTo(nil, g.size)},
		{true, resp.AppendTo(nil, g.size)},
	}
}

// answered returns the stub of ept_map's or ept_lookup's answer with towers.
func answered(op uint16, e Encoding, towers ...[]byte) []byte {
	if op == OpMap {
		return (&MapResponse{Max: 4, Towers: towers}).AppendTo(nil, e)
	}
	var r LookupResponse
	for i, t := range towers {
		r.Entries = append(r.Entries, Entry{Tower: t, Annotation: fmt.Appendf(nil, "entry %d", i)})
	}
	return r.AppendTo(nil, e)
}

// Every tower of an interface of the table gets our port, and nothing else
// changes: in both byte orders and encodings, both calls, and any fragments.
func TestMapperRewrites(t *testing.T) {
	http := Tower{Interface: NSPI, Transfer: NDR, Protocol: HTTP, Port: 6004, Addr: casAddr}
	pipe := Tower{Interface: NSPI, Transfer: NDR, Protocol: NamedPipe, Name: []byte(`\pipe\nspi`), Host: []byte("CAS1")}
	newer, older := NSPI, EMSMDB
	newer.Major++
	older.Minor = 80
	given := [][]byte{tcpTower(NSPI, 49200), http.AppendTo(nil), pipe.AppendTo(nil), tcpTower(newer, 49201), tcpTower(older, 49202), tcpTower(RFR, 49200), tcpTower(NSPI, 0)}
	want := slices.Clone(given)
	want[0] = (&Tower{Interface: NSPI, Transfer: NDR, Protocol: TCP, Port: 59533, Addr: ourAddr}).AppendTo(nil)
	want[4] = tcpTower(older, 59532) // its route has no address
	for server, drep := range orders {
		for _, op := range []uint16{OpMap, OpLookup} {
			for _, wide := range []bool{false, true} {
				for _, size := range []int{0, 48, 1432} {
					t.Run(fmt.Sprintf("%s-op%d-ndr64=%v-size=%d", server, op, wide, size), func(t *testing.T) {
						e := Encoding{BigEndian: drep.BigEndian(), NDR64: wide}
						g := dialogue{client: LittleEndian, server: drep, wide: wide, op: op, size: size, stub: answered(op, e, given...)}
						from := g.script()
						g.stub = answered(op, e, want...)
						to := g.script()
						for _, cuts := range [][]int{nil, {1}, {100, 3}} {
							for mode, want := range [][]say{Pass: from, Rewrite: to} {
								var got []Answer
								m := Mapper{Mode: Mode(mode), OnAnswer: func(a *Answer) {
									got = append(got, Answer{Op: a.Op, Asked: a.Asked, Left: a.Left, Status: a.Status, Towers: slices.Clone(a.Towers)})
								}}
								toServer, toClient, errs := m.play(t, from, ours, cuts)
								if errs != 0 || !bytes.Equal(toServer, said(from, false)) || !bytes.Equal(toClient, said(want, true)) {
									t.Fatalf("mode %d, cut %v: %d errors, to the server %x, to the client\n%x; want\n%x", mode, cuts, errs, toServer, toClient, said(want, true))
								}
								if len(got) != 1 || got[0].Left != NotLeft || got[0].Op != op || len(got[0].Towers) != len(given) || got[0].Towers[0].Port != 49200 {
									t.Fatalf("answers %+v", got)
								}
								if asked := got[0].Asked; op == OpMap && asked != NSPI {
									t.Errorf("the client asked for %s; want NSPI", asked)
								}
								for i, tower := range got[0].Towers {
									if tower.Given != (Mode(mode) == Rewrite && (i == 0 || i == 4)) {
										t.Errorf("mode %d: tower %d given: %v", mode, i, tower.Given)
									}
								}
							}
						}
					})
				}
			}
		}
	}
}

// What a Samba and impacket said to each other.
func TestMapperBetweenRealPeers(t *testing.T) {
	lookup := Request{Header: header(LittleEndian, TypeRequest, 1), Op: OpLookup, Stub: (&LookupRequest{Versions: 1, Max: 500}).AppendTo(nil, Encoding{})}
	script := []say{
		{false, unhex(t, epmBind)},
		{true, unhex(t, epmAck)},
		{false, unhex(t, nspiAsk)},
		{true, unhex(t, nspiAnswer)},
		{false, unhex(t, nspiAsk)},
		{true, unhex(t, noAnswer)},
		{false, unhex(t, nspiAsk)},
		{true, unhex(t, httpAnswer)},
		{false, lookup.AppendTo(nil, 0)},
		{true, sambaLookup(t)},
	}
	var got []string
	m := Mapper{Mode: Rewrite, OnAnswer: func(a *Answer) {
		given := 0
		for _, e := range a.Towers {
			if e.Given {
				given++
			}
		}
		got = append(got, fmt.Sprintf("op %d status %x left %d: %d of %d", a.Op, a.Status, a.Left, given, len(a.Towers)))
	}}
	_, out, errs := m.play(t, script, ours, []int{700})
	want := []string{"op 3 status 0 left 0: 1 of 1", "op 3 status 16c9a0d6 left 0: 0 of 0", "op 3 status 0 left 0: 0 of 1", "op 2 status 16c9a0d6 left 0: 2 of 44"}
	if diff := cmp.Diff(want, got); diff != "" || errs != 0 {
		t.Errorf("%d errors, answers (-want +got):\n%s", errs, diff)
	}
	in := said(script, true)
	// Twice NSPI: its port, and of the address all octets but a zero. EMSMDB: its port.
	if changed := differences(in, out); len(changed) != 2*5+2 {
		t.Errorf("octets %v of %d changed; want three ports and two addresses", changed, len(in))
	}
	if port := out[60+136 : 60+138]; !bytes.Equal(port, []byte{0xe8, 0x8d}) {
		t.Errorf("the port is %x; want that of 59533", port)
	}
}

// differences returns where a and b differ; they are of one length, or all does.
func differences(a, b []byte) (at []int) {
	if len(a) != len(b) {
		return make([]int, len(a)+len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return at
}

// The table of the moment counts.
func TestMapperTakesTheTableOfEachCall(t *testing.T) {
	g := dialogue{client: LittleEndian, server: LittleEndian, op: OpMap, stub: answered(OpMap, Encoding{}, tcpTower(NSPI, 49200))}
	script := g.script()
	m := Mapper{Mode: Rewrite}
	var out []byte
	for _, port := range []uint16{0, 1025, 1026} {
		var routes Table
		if port != 0 {
			routes = Table{{UUID: NSPI.UUID, Major: NSPI.Major, Protocol: TCP, Port: port, Addr: netip.MustParseAddr("2001:db8::1")}}
		}
		_, out, _ = m.play(t, script, routes, nil)
		r, err := ParseResponse(out[len(script[1].octets):])
		if err != nil {
			t.Fatal(err)
		}
		want := port
		if port == 0 {
			want = 49200
		}
		a, err := ParseMapResponse(r.Stub, Encoding{})
		if err != nil || !bytes.Equal(a.Towers[0], tcpTower(NSPI, want)) {
			t.Errorf("answer %+v, %v; want port %d", a, err, want)
		}
	}
}

// What cannot be read for sure, or must not be changed, passes as it came.
func TestMapperLeaves(t *testing.T) {
	stub := answered(OpMap, Encoding{}, tcpTower(NSPI, 49200))
	plain := dialogue{client: LittleEndian, server: LittleEndian, op: OpMap, stub: stub, size: 64}
	with := func(edit func(g *dialogue)) []say {
		g := plain
		edit(&g)
		return g.script()
	}
	between := func(server bool, octets []byte, after int) []say {
		s := plain.script()
		last := s[3].octets
		return append(s[:3:3], say{true, last[:after]}, say{server, octets}, say{true, last[after:]})
	}
	fault := (&Fault{Header: header(LittleEndian, TypeFault, 2), Status: 5}).AppendTo(nil)
	foreign := (&Response{Header: header(LittleEndian, TypeResponse, 99), Stub: stub}).AppendTo(nil, 0)
	shutdown := []byte{5, 0, byte(TypeShutdown), 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0}
	again := (&Request{Header: header(LittleEndian, TypeRequest, 2), Op: OpFree}).AppendTo(nil, 0)
	auth := func(l Level) []say {
		return with(func(g *dialogue) { g.size, g.auth = 200, Auth{Type: 10, Level: l, Value: make([]byte, 16)} })
	}
	tests := []struct {
		name   string
		script []say
		want   []Left
		given  bool // it gets our port
	}{
		{"nothing-wrong", plain.script(), []Left{NotLeft}, true},
		{"connect-level", auth(LevelConnect), []Left{NotLeft}, true},
		{"call-level", auth(LevelCall), []Left{Protected}, false},
		{"integrity", auth(LevelIntegrity), []Left{Protected}, false},
		{"privacy", auth(LevelPrivacy), []Left{Protected}, false},
		{"level-unknown", auth(77), []Left{Protected}, false},
		{"another-operation", with(func(g *dialogue) { g.op = OpFree }), nil, false},
		{"no-answer-to-it", with(func(g *dialogue) { g.stub = []byte("not an answer") }), []Left{Unread}, false},
		{"too-long", with(func(g *dialogue) { g.stub, g.size = make([]byte, defaultOctets), 5840 }), []Left{TooLong}, false},
		{"too-many-fragments", with(func(g *dialogue) { g.stub, g.size = make([]byte, 8*(defaultFragments+1)), 32 }), []Left{TooLong}, false},
		{"as-many-as-may-be", with(func(g *dialogue) { g.stub, g.size = make([]byte, 8*defaultFragments), 32 }), []Left{Unread}, false},
		{"fault-between", between(true, fault, 64), []Left{Disturbed}, false},
		{"other-call-between", between(true, foreign, 64), []Left{Disturbed}, false},
		{"shutdown-between", between(true, shutdown, 128), []Left{Disturbed}, false},
		{"client-between", between(false, shutdown, 70), []Left{NotLeft}, true},
		{"call-number-again", between(false, again, 64), nil, false}, // nobody waits for the answer any more
		{"call-unknown", append(plain.script()[:2], say{true, foreign}), nil, false},
		{"no-bind", append(plain.script()[:1], plain.script()[2:]...), nil, false},
		{"cut-off", []say{plain.script()[0], plain.script()[1], plain.script()[2], {true, plain.script()[3].octets[:100]}}, []Left{Disturbed}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {1}, {17}} {
				var left []Left
				m := Mapper{Mode: Rewrite, OnAnswer: func(a *Answer) { left = append(left, a.Left) }}
				_, out, errs := m.play(t, tt.script, ours, cuts)
				if !slices.Equal(left, tt.want) || errs != 0 {
					t.Errorf("cut %v: left %v, %d errors; want %v", cuts, left, errs, tt.want)
				}
				if changed := differences(said(tt.script, true), out); (len(changed) > 0) != tt.given || len(changed) > 6 {
					t.Errorf("cut %v: octets %v changed; want a change: %v", cuts, changed, tt.given)
				}
			}
		})
	}
}

// A side that does not speak DCE/RPC is passed on.
func TestMapperPassesStrangers(t *testing.T) {
	http := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	g := dialogue{client: LittleEndian, server: LittleEndian, op: OpMap, stub: answered(OpMap, Encoding{}, tcpTower(NSPI, 49200)), size: 64}
	known := g.script()
	tests := []struct {
		name   string
		script []say
		errs   int
	}{
		{"both", []say{{false, http}, {true, []byte("HTTP/1.1 200 OK\r\n\r\n")}, {false, http}, {true, http}}, 2},
		{"server-later", []say{known[0], known[1], known[2], {true, known[3].octets[:64]}, {true, http}, {true, known[3].octets}}, 1},
		{"client-later", []say{known[0], {false, http}, known[1], known[2]}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {1}, {17}} {
				m := Mapper{Mode: Rewrite}
				toServer, toClient, errs := m.play(t, tt.script, ours, cuts)
				if errs != tt.errs || !bytes.Equal(toServer, said(tt.script, false)) || !bytes.Equal(toClient, said(tt.script, true)) {
					t.Errorf("cut %v: %d errors, to the server %q, to the client %q; want %d, and all", cuts, errs, toServer, toClient, tt.errs)
				}
			}
		})
	}
}

// Contexts come by alter_context, too, and with others than the mapper's.
func TestMapperFollowsAlterContext(t *testing.T) {
	alter := Bind{Header: header(LittleEndian, TypeAlterContext, 5), Contexts: []Context{{ID: 8, Abstract: NSPI, Transfer: []Syntax{NDR}}, {ID: 9, Abstract: EPM, Transfer: []Syntax{NDR64}}}}
	resp := BindAck{Header: header(LittleEndian, TypeAlterResp, 5), Results: []Result{{Transfer: NDR}, {Transfer: NDR64}}}
	ask := Request{Header: header(LittleEndian, TypeRequest, 6), Context: 9, Op: OpMap, Stub: unhex(t, ask64)}
	answer := Response{Header: header(LittleEndian, TypeResponse, 6), Context: 9, Stub: unhex(t, map64)}
	script := []say{
		{false, unhex(t, epmBind)},
		{true, unhex(t, epmAck)},
		{false, alter.AppendTo(nil)},
		{true, resp.AppendTo(nil)},
		{false, ask.AppendTo(nil, 0)},
		{true, answer.AppendTo(nil, 0)},
	}
	for name, tt := range map[string]struct {
		result Result
		ports  int
	}{"accepted": {Result{Transfer: NDR64}, 2}, "rejected": {Result{Outcome: ProviderRejected, Reason: 2}, 0}} {
		resp.Results[1] = tt.result
		script[3].octets = resp.AppendTo(nil)
		given := 0
		m := Mapper{Mode: Rewrite, OnAnswer: func(a *Answer) {
			for _, e := range a.Towers {
				if e.Given && a.Asked == EMSMDB {
					given++
				}
			}
		}}
		routes := Table{{UUID: EMSMDB.UUID, Protocol: TCP, Port: 1}}
		if _, _, errs := m.play(t, script, routes, nil); errs != 0 || given != tt.ports {
			t.Errorf("%s: %d ports given, %d errors; want %d", name, given, errs, tt.ports)
		}
	}
}

// An idle connection to a mapper holds no answer.
func TestMapperForgets(t *testing.T) {
	g := dialogue{client: LittleEndian, server: LittleEndian, op: OpMap, stub: make([]byte, 60000), size: 5840}
	m := Mapper{Mode: Rewrite}
	m.play(t, g.script(), ours, []int{1000})
	if _, err := m.FromServer(nil, unhex(t, epmAck), nil); err != nil {
		t.Fatal(err)
	}
	if held := cap(m.server.reader.part) + cap(m.response.raw) + cap(m.request.raw); held > 3*kept {
		t.Errorf("%d octets are held", held)
	}
}
