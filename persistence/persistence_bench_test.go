package persistence

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// filled returns a table with n bindings, and their keys.
func filled(n int) (*Table, []Key) {
	table := NewTable(TableOptions{PerCore: 2 * n, Cores: 1})
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = keyOf(i)
		bindAt(table, sec0, i, cas1, true)
	}
	return table, keys
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("bindings=%d", n), func(b *testing.B) {
			table, keys := filled(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if table.get(sec0, keys[i*7919%n]) == 0 {
					b.Fatal("binding lost")
				}
				i++
			}
		})
	}
}

func BenchmarkGetMiss(b *testing.B) {
	table, _ := filled(1_000_000)
	keys := make([]Key, 100_000)
	for i := range keys {
		keys[i] = keyOf(-1 - i)
	}
	i := 0
	for b.Loop() {
		if table.get(sec0, keys[i%len(keys)]) != 0 {
			b.Fatal("binding found")
		}
		i++
	}
}

func BenchmarkGetParallel(b *testing.B) {
	table, keys := filled(1_000_000)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			table.get(sec0, keys[i*7919%len(keys)])
		}
	})
}

// BenchmarkPut fills a table with a million bindings, and reports what each takes.
func BenchmarkPut(b *testing.B) {
	const n = 1_000_000
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	w := newWord(cas1, sec0, true, newSpan(time.Hour))
	var before, after runtime.MemStats
	for b.Loop() {
		table := NewTable(TableOptions{PerCore: n, Cores: 1})
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range keys {
			table.bind(&order{key: keys[i], word: w})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/binding")
		runtime.KeepAlive(table)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/binding")
}

// BenchmarkPutFull binds new keys to a table that is full.
func BenchmarkPutFull(b *testing.B) {
	const n = 1_000_000
	table, keys := NewTable(TableOptions{PerCore: n / 2, Cores: 1}), make([]Key, n)
	for i := range keys {
		keys[i] = keyOf(i)
		bindAt(table, sec0, i, cas1, true)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.bind(&order{key: keys[i%n], word: newWord(cas1, sec0+uint32(i/n), true, newSpan(time.Hour))})
		i++
	}
}

func BenchmarkTouch(b *testing.B) {
	table, keys := filled(1_000_000)
	i := 0
	for b.Loop() {
		table.touch(sec0+1+uint32(i/len(keys)), keys[i*7919%len(keys)], cas1)
		i++
	}
}

func BenchmarkKey(b *testing.B) {
	seed := newSip(testSecret)
	seed.writeField([]byte("mail/cas/owa"))
	for _, n := range []int{16, 32, 128} {
		value := make([]byte, n)
		b.Run(fmt.Sprintf("octets=%d", n), func(b *testing.B) {
			for b.Loop() {
				h := seed
				h.write(value)
				h.sum()
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	sealer, _ := NewSealer([]byte("x"))
	scope := []byte("mail/cas/owa")
	value := sealer.appendSeal(nil, scope, "cas1", 1, Key{})
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := sealer.open(value, scope, members); !ok {
			b.Fatal("does not open")
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	sealer, _ := NewSealer([]byte("x"))
	dst, scope := make([]byte, 0, 256), []byte("mail/cas/owa")
	b.ReportAllocs()
	for b.Loop() {
		dst = sealer.appendSeal(dst[:0], scope, "cas1", 1, Key{})
	}
}

// BenchmarkRequest is all that persistence does for one request of a browser.
func BenchmarkRequest(b *testing.B) {
	for name, steps := range map[string][]Step{
		"source_ip": {{By: SourceIP}}, "owa": owaSteps, "eas": easSteps, "insert_cookie": insertOnly,
	} {
		b.Run("chain="+name, func(b *testing.B) {
			s := &site{chain: newTestChain(b, steps), now: start}
			var w Walk
			resp := answer{set: []string{"UserContext=abc"}}.response(b)
			c := client{addr: "192.0.2.7", header: basic("alice", "secret")}
			s.chain.Walk(s.now, c.request(b), s, &w)
			v := visit{added: string(s.chain.Learn(s.now, &w, cas1, resp, nil))}
			c.cookie = "a=b; UserContext=abc; " + v.issued()
			r, plain := c.request(b), answer{}.response(b)
			lines := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				s.chain.Walk(s.now, r, s, &w)
				s.chain.Bind(s.now, &w, cas1)
				lines = s.chain.Learn(s.now, &w, cas1, plain, lines[:0])
				s.chain.Touch(s.now, &w)
			}
		})
	}
}

func BenchmarkStats(b *testing.B) {
	table, _ := filled(1_000_000)
	for b.Loop() {
		table.Stats(start)
	}
}
