package persistence

import (
	"testing"
	"time"
	"unsafe"
)

// everyStep is a chain with each kind of step.
var everyStep = []Step{
	{By: SourceIP},
	{By: Cookie, Name: "UserContext", Also: []string{"msExchEcpCanary"}},
	{By: Header, Name: "Authorization"},
	{By: InsertCookie, Insert: Insert{Timeout: time.Hour}},
	{By: None},
	{By: Cookie, Name: "*"},
}

func TestRequestPathDoesNotAllocate(t *testing.T) {
	s := newSite(t, everyStep)
	set := answer{set: []string{"UserContext=abc; path=/", "msExchEcpCanary=xyz"}}
	cookie := "a=b; UserContext=abc; msExchEcpCanary=xyz; " + s.send(client{addr: "192.0.2.7"}, set).issued()
	resp, other := set.response(t), answer{status: "401"}.response(t)
	var w Walk
	lines := make([]byte, 0, 1024)
	for name, header := range map[string]string{
		"basic":  basic("DOMAIN\\alice", "secret"),
		"ntlm":   "Authorization: NTLM " + ntlmToken("EXAMPLE", "Alice"),
		"spnego": "Authorization: Negotiate " + spnegoToken("Alice"),
		"bearer": "Authorization: Bearer " + bearerToken(`{"aud":"x","nested":{"sub":1},"sub":"alice"}`),
	} {
		t.Run(name, func(t *testing.T) {
			r := client{addr: "192.0.2.7", cookie: cookie, header: header}.request(t)
			n := testing.AllocsPerRun(500, func() {
				s.pass(time.Second)
				s.chain.Walk(s.now, r, s, &w)
				s.chain.Bind(s.now, &w, cas1)
				lines = s.chain.Learn(s.now, &w, cas1, resp, lines[:0])
				lines = s.chain.Learn(s.now, &w, cas1, other, lines[:0])
				s.chain.Touch(s.now, &w)
			})
			if n != 0 || w.N < 6 || w.Server != cas1 {
				t.Errorf("%v allocations per request, %d readings, server %d; want 0, 6 or more, 1", n, w.N, w.Server)
			}
		})
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	for i := range 1000 {
		bindAt(table, sec0, i, cas1, true)
	}
	keys := make([]Key, 3000)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	i := 0
	n := testing.AllocsPerRun(2000, func() {
		k, sec := keys[i%len(keys)], sec0+uint32(i)
		i++
		table.bind(&order{key: k, word: newWord(cas1, sec, true, newSpan(time.Hour))})
		table.get(sec, k)
		table.touch(sec+1, k, cas1)
		if i%3 == 0 {
			table.drop(k)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per call; want 0", n)
	}
}

// However many there are, a binding takes at most 38 octets and on average 33,
// but in small tables.
func TestBindingTakesFewOctets(t *testing.T) {
	const capacity = 100_000
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	sum := 0.0
	for i := range capacity {
		bindAt(table, sec0, i, cas1, true)
		each := float64(table.bytes.Load()) / float64(i+1)
		if sum += each; i >= 10_000 && each > 38 {
			t.Fatalf("%d bindings take %.1f octets each; want at most 38", i+1, each)
		}
	}
	if mean := sum / capacity; mean > 33 {
		t.Errorf("a binding takes %.1f octets on average; want at most 33", mean)
	}
}

func TestSizes(t *testing.T) {
	if got := unsafe.Sizeof(Walk{}); got > 488 {
		t.Errorf("a Walk has %d octets; want at most 488: every connection holds one", got)
	}
	if got := unsafe.Sizeof(slot{}); got != slotBytes {
		t.Errorf("a slot has %d octets; want %d", got, slotBytes)
	}
}
