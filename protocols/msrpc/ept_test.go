package msrpc

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var towerCmp = cmp.Options{
	cmp.AllowUnexported(Tower{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) }),
}

func TestTowerSample(t *testing.T) {
	b := unhex(t, emsmdbTower)
	got, err := ParseTower(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Tower{Interface: EMSMDB, Transfer: NDR, Protocol: TCP, Port: 59532, Addr: casAddr, portAt: 64, addrAt: 71}
	if diff := cmp.Diff(want, got, towerCmp); diff != "" {
		t.Errorf("tower (-want +got):\n%s", diff)
	}
	if again := got.AppendTo(nil); !bytes.Equal(again, b) {
		t.Errorf("written %x; want %x", again, b)
	}
	for n := range b {
		if _, err := ParseTower(b[:n]); err == nil {
			t.Errorf("the first %d octets pass for a tower", n)
		}
	}
	for at, v := range map[int]byte{0: 1, 1: 1, 2: 18, 4: 0x0c, 23: 3, 27: 20, 52: 0} {
		bad := bytes.Clone(b)
		bad[at] = v
		if got, err := ParseTower(bad); err == nil {
			t.Errorf("octet %d = %d is taken: %+v", at, v, got)
		}
	}
}

func TestTowersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Tower{
			Interface: drawSyntax(t), Transfer: drawSyntax(t), Protocol: rapid.SampledFrom([]Protocol{TCP, UDP, HTTP, NamedPipe, LocalRPC}).Draw(t, "protocol"),
		}
		if want.Protocol.hasPort() {
			want.Port = rapid.Uint16().Draw(t, "port")
		} else {
			want.Name = []byte(rapid.StringMatching(`[A-Za-z\\]{1,20}`).Draw(t, "name"))
		}
		switch rapid.IntRange(0, 2).Draw(t, "host") {
		case 0:
			want.Addr = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
		case 1:
			want.Host = []byte("CAS1")
		}
		got, err := ParseTower(want.AppendTo(nil))
		if err != nil {
			t.Fatal(err)
		}
		got.portAt, got.addrAt = 0, 0
		if diff := cmp.Diff(want, got, towerCmp); diff != "" {
			t.Fatalf("written and read (-want +got):\n%s", diff)
		}
	})
}

// Each encoding, by its name.
var encodings = map[string]Encoding{
	"ndr-little": {}, "ndr-big": {BigEndian: true}, "ndr64-little": {NDR64: true}, "ndr64-big": {BigEndian: true, NDR64: true},
}

func TestMapperSamples(t *testing.T) {
	q, err := ParseMapRequest(unhex(t, nspiAsk)[callSize:], Encoding{})
	if err != nil || !q.HasObject || q.Max != 1 {
		t.Fatalf("request %+v, %v", q, err)
	}
	if got, want := q.AppendTo(nil, Encoding{}), unhex(t, nspiAsk)[callSize:]; !equalButFill(got, want) {
		t.Errorf("request\n%x; want\n%x", got, want)
	}
	for text, want := range map[string]netip.AddrPort{nspiAnswer: netip.MustParseAddrPort("127.0.0.61:60001"), httpAnswer: netip.MustParseAddrPort("0.0.0.0:6004")} {
		r, err := ParseMapResponse(unhex(t, text)[callSize:], Encoding{})
		if err != nil || len(r.Towers) != 1 || r.Status != 0 {
			t.Fatalf("answer %+v, %v", r, err)
		}
		tower, err := ParseTower(r.Towers[0])
		if err != nil || tower.Interface != NSPI || tower.Port != want.Port() || tower.Addr != want.Addr() {
			t.Errorf("tower %+v, %v; want %s", tower, err, want)
		}
	}
	r, err := ParseMapResponse(unhex(t, noAnswer)[callSize:], Encoding{})
	if err != nil || len(r.Towers) != 0 || r.Max != 1 || r.Status != NotRegistered {
		t.Errorf("answer %+v, %v; want not registered", r, err)
	}

	wide := Encoding{NDR64: true}
	r, err = ParseMapResponse(unhex(t, map64), wide)
	if err != nil || len(r.Towers) != 2 || !bytes.Equal(r.Towers[1], unhex(t, emsmdbTower)) {
		t.Errorf("NDR64: %+v, %v", r, err)
	}
	l, err := ParseLookupResponse(unhex(t, lookup64), wide)
	if err != nil || len(l.Entries) != 2 || !bytes.Equal(l.Entries[1].Tower, unhex(t, emsmdbTower)) || string(l.Entries[1].Annotation) != "hello" {
		t.Errorf("NDR64: %+v, %v", l, err)
	}
	q, err = ParseMapRequest(unhex(t, ask64), wide)
	if err != nil || q.Max != 4 || !bytes.Equal(q.Tower, unhex(t, emsmdbTower)) {
		t.Errorf("NDR64: %+v, %v", q, err)
	}
	if got := q.AppendTo(nil, wide); !equalButFill(got, unhex(t, ask64)) {
		t.Errorf("NDR64\n%x; want\n%s", got, ask64)
	}
}

// equalButFill reports whether a and b differ only where a, which fills up with
// zeros, has one.
func equalButFill(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (a[i] != 0 || b[i] != 0xab) {
			return false
		}
	}
	return true
}

func TestSambaLookup(t *testing.T) {
	var a Assembly
	pdus, _, err := readAll(t, &Reader{Whole: connectionOriented}, sambaLookup(t), []int{1000})
	if err != nil || len(pdus) != 2 {
		t.Fatalf("%d PDUs, %v; want 2", len(pdus), err)
	}
	for _, p := range pdus {
		if _, err := a.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	l, err := ParseLookupResponse(a.Stub(), Encoding{})
	if err != nil || len(l.Entries) != 44 || l.Max != 500 || l.Status != NotRegistered {
		t.Fatalf("%d entries of %d, status %x, %v; want 44 of 500", len(l.Entries), l.Max, l.Status, err)
	}
	kinds := make(map[Protocol]int)
	for _, e := range l.Entries {
		tower, err := ParseTower(e.Tower)
		if err != nil {
			t.Fatal(err)
		}
		kinds[tower.Protocol]++
		if tower.Interface.UUID == NSPI.UUID && tower.Protocol == TCP && (tower.Port != 60001 || string(e.Annotation) != "exchange_nspi") {
			t.Errorf("NSPI %+v, %q", tower, e.Annotation)
		}
	}
	if kinds[TCP] == 0 || kinds[HTTP] != 4 || kinds[NamedPipe] == 0 || kinds[0] != 0 {
		t.Errorf("towers by protocol: %v", kinds)
	}
}

func TestMapperCallsRoundTrip(t *testing.T) {
	for name, e := range encodings {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				q := MapRequest{HasObject: rapid.Bool().Draw(t, "object"), Max: rapid.Uint32().Draw(t, "max"), Tower: drawOctets(t, 90)}
				if len(q.Tower) == 0 {
					q.Tower = nil
				}
				if q.HasObject {
					q.Object = drawSyntax(t).UUID
				}
				got, err := ParseMapRequest(q.AppendTo([]byte("x"), e)[1:], e)
				same(t, q, got, err)

				m := MapResponse{Max: 500, Status: rapid.Uint32().Draw(t, "status"), Handle: Handle{1, 2, 3}}
				for range rapid.IntRange(0, 4).Draw(t, "towers") {
					m.Towers = append(m.Towers, drawOctets(t, 90))
				}
				gotMap, err := ParseMapResponse(m.AppendTo([]byte("x"), e)[1:], e)
				same(t, m, gotMap, err)

				lq := LookupRequest{HasObject: rapid.Bool().Draw(t, "object"), HasInterface: rapid.Bool().Draw(t, "interface"), Versions: 1, Max: 500}
				if lq.HasInterface {
					lq.Interface = drawSyntax(t)
				}
				gotQuery, err := ParseLookupRequest(lq.AppendTo([]byte("x"), e)[1:], e)
				same(t, lq, gotQuery, err)

				l := LookupResponse{Max: 500, Status: rapid.Uint32().Draw(t, "status")}
				for range rapid.IntRange(0, 4).Draw(t, "entries") {
					l.Entries = append(l.Entries, Entry{Object: drawSyntax(t).UUID, Tower: drawOctets(t, 90), Annotation: []byte(rapid.StringMatching(`[a-z]{0,20}`).Draw(t, "text"))})
				}
				gotLookup, err := ParseLookupResponse(l.AppendTo([]byte("x"), e)[1:], e)
				same(t, l, gotLookup, err)
			})
		})
	}
}

// What a client sends behind its parameters is not looked at.
func TestVerificationTrailer(t *testing.T) {
	b := append(unhex(t, nspiAsk)[callSize:], unhex(t, "8ae3137102f43671 0240 2800")...)
	if q, err := ParseMapRequest(b, Encoding{}); err != nil || q.Max != 1 {
		t.Errorf("request %+v, %v", q, err)
	}
	if q, err := ParseMapRequest(b[:131], Encoding{}); err == nil {
		t.Errorf("a request that is cut is %+v", q)
	}
}

// Counts that do not agree, or are of more than there is, are refused.
func TestAnswerBounds(t *testing.T) {
	good := unhex(t, nspiAnswer)[callSize:]
	for at, v := range map[int]byte{20: 2, 21: 0xff, 24: 0, 28: 1, 32: 2, 40: 74, 44: 76} {
		bad := slices.Clone(good)
		bad[at] = v
		if r, err := ParseMapResponse(bad, Encoding{}); err == nil {
			t.Errorf("octet %d = %d is taken: %+v", at, v, r)
		}
	}
	if _, err := ParseMapResponse(append(good, make([]byte, 8)...), Encoding{}); err == nil {
		t.Error("eight octets behind the status are taken")
	}
	for _, n := range []int{maxEntries, maxEntries + 1} {
		r := MapResponse{Towers: make([][]byte, n)}
		if _, err := ParseMapResponse(r.AppendTo(nil, Encoding{}), Encoding{}); (err == nil) != (n == maxEntries) {
			t.Errorf("%d towers: %v", n, err)
		}
	}
}
