package msrpc

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// FuzzPDU: what is read can be written and read again, lies within the PDU, and
// the Reader gives out what it was given, however it is cut.
func FuzzPDU(f *testing.F) {
	for _, s := range []string{epmBind, epmAck, nspiAsk, nspiAnswer, noAnswer} {
		f.Add(unhex(f, s), uint16(5))
	}
	f.Add((&BindNak{Header: header(bigEndian, TypeBindNak, 1), Versions: [][2]uint8{{5, 0}}}).AppendTo(nil), uint16(1))
	f.Add((&Fault{Header: header(bigEndian, TypeFault, 1), Status: 5}).AppendTo(nil), uint16(20))
	f.Add((&Request{Header: Header{Flags: HasObject}, Stub: []byte("abc"), Auth: Auth{Level: LevelPrivacy, Value: []byte{1}}}).AppendTo(nil, 0), uint16(17))
	f.Fuzz(func(t *testing.T, b []byte, piece uint16) {
		for _, r := range []Reader{{Whole: connectionOriented}, {Whole: fromServer, Limit: 100}} {
			one, other := r, r
			pdus, out, err := readAll(t, &one, b, nil)
			inPieces, again, errAgain := readAll(t, &other, b, []int{int(piece)})
			if !bytes.Equal(out, b) || !bytes.Equal(again, b) || (err == nil) != (errAgain == nil) || !slices.EqualFunc(pdus, inPieces, bytes.Equal) {
				t.Fatalf("%d PDUs and %x, %v; in pieces of %d: %d and %x, %v; of %x", len(pdus), out, err, piece, len(inPieces), again, errAgain, b)
			}
			for _, p := range pdus {
				rewrite(t, p)
			}
		}
	})
}

// rewrite writes what a PDU says and reads it again.
func rewrite(t *testing.T, pdu []byte) {
	t.Helper()
	var one, other any
	var err error
	switch Type(pdu[2]) {
	case TypeBind, TypeAlterContext:
		var b, again Bind
		if b, err = ParseBind(pdu); err == nil && fits(len(pdu)) {
			again, err = ParseBind(b.AppendTo(nil))
		}
		one, other = len(b.Contexts), len(again.Contexts)
	case TypeBindAck, TypeAlterResp:
		var b, again BindAck
		if b, err = ParseBindAck(pdu); err == nil && fits(len(pdu)) {
			again, err = ParseBindAck(b.AppendTo(nil))
		}
		one, other = fmt.Sprint(b.Association, b.Results), fmt.Sprint(again.Association, again.Results)
	case TypeRequest:
		var r, again Request
		if r, err = ParseRequest(pdu); err == nil && fits(len(pdu)) {
			again, err = ParseRequest(r.AppendTo(nil, 0))
		}
		one, other = fmt.Sprintf("%d %s %x", r.Op, r.Object, r.Stub), fmt.Sprintf("%d %s %x", again.Op, again.Object, again.Stub)
	case TypeResponse:
		var r, again Response
		if r, err = ParseResponse(pdu); err == nil && fits(len(pdu)) {
			again, err = ParseResponse(r.AppendTo(nil, 0))
		}
		one, other = string(r.Stub), string(again.Stub)
	case TypeFault:
		if f, e := ParseFault(pdu); e == nil {
			again, e := ParseFault(f.AppendTo(nil))
			if err = e; e == nil {
				one, other = f.Status, again.Status
			}
		}
	case TypeBindNak:
		b, e := ParseBindNak(pdu)
		if e == nil {
			var again BindNak
			again, err = ParseBindNak(b.AppendTo(nil))
			one, other = len(b.Versions), len(again.Versions)
		}
	default:
	}
	if err == nil && fits(len(pdu)) && one != other {
		t.Fatalf("%x is read as %v, and written and read as %v", pdu, one, other)
	}
}

// fits reports whether a PDU can be written again: our padding may be longer.
func fits(n int) bool { return n < MaxPDU-100 }

// FuzzTower: a tower lies in its octets, and is rewritten in its port and its
// address alone.
func FuzzTower(f *testing.F) {
	f.Add(unhex(f, emsmdbTower))
	for _, t := range []Tower{
		{Interface: NSPI, Transfer: NDR, Protocol: HTTP, Port: 6004, Addr: casAddr},
		{Interface: NSPI, Transfer: NDR64, Protocol: NamedPipe, Name: []byte(`\pipe\x`), Host: []byte("CAS1")},
		{Interface: RFR, Transfer: NDR, Protocol: LocalRPC, Name: []byte("LRPC-1")},
		{Interface: RFR, Transfer: NDR, Protocol: UDP, Port: 1},
	} {
		f.Add(t.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tower, err := ParseTower(b)
		if err != nil {
			return
		}
		if tower.Protocol != 0 && tower.Transfer != (Syntax{}) {
			again, err := ParseTower(tower.AppendTo(nil))
			if err != nil || again.Interface != tower.Interface || again.Port != tower.Port || again.Addr != tower.Addr {
				t.Fatalf("tower %+v written and read is %+v, %v", tower, again, err)
			}
		}
		route := Route{UUID: tower.Interface.UUID, Major: tower.Interface.Major, Protocol: tower.Protocol, Port: 0x1234, Addr: ourAddr}
		got := bytes.Clone(b)
		given := Table{route}.rewrite(got, &tower)
		after, err := ParseTower(got)
		want := tower
		if given {
			if want.Port = route.Port; tower.Addr.IsValid() {
				want.Addr = ourAddr
			}
		}
		if err != nil || after.Port != want.Port || after.Addr != want.Addr || after.Interface != want.Interface || len(differences(b, got)) > 6 {
			t.Fatalf("tower %x rewritten is %x: %+v, %v; want %+v", b, got, after, err, want)
		}
	})
}

// FuzzStubs: the parameters of calls can be written and read again.
func FuzzStubs(f *testing.F) {
	for _, s := range []string{nspiAsk, nspiAnswer, noAnswer} {
		f.Add(unhex(f, s)[callSize:], false, false)
	}
	for _, s := range []string{map64, lookup64, ask64} {
		f.Add(unhex(f, s), false, true)
	}
	f.Add(answered(OpLookup, Encoding{BigEndian: true}, tcpTower(NSPI, 1)), true, false)
	f.Add((&LookupRequest{HasObject: true, HasInterface: true}).AppendTo(nil, Encoding{}), false, false)
	f.Fuzz(func(t *testing.T, b []byte, bigEndian, wide bool) {
		e := Encoding{BigEndian: bigEndian, NDR64: wide}
		stable[MapRequest](t, ParseMapRequest, b, e)
		stable[MapResponse](t, ParseMapResponse, b, e)
		stable[LookupRequest](t, ParseLookupRequest, b, e)
		stable[LookupResponse](t, ParseLookupResponse, b, e)
	})
}

// stable fails unless what parse reads of b is what it reads again of what that
// appends.
func stable[T any, P interface {
	*T
	AppendTo(dst []byte, e Encoding) []byte
}](t *testing.T, parse func([]byte, Encoding) (T, error), b []byte, e Encoding) {
	t.Helper()
	if r, err := parse(b, e); err == nil {
		again, err := parse(P(&r).AppendTo(nil, e), e)
		equal(t, r, again, err)
	}
}

func equal(t *testing.T, one, other any, err error) {
	t.Helper()
	if a, b := fmt.Sprintf("%x", one), fmt.Sprintf("%x", other); err != nil || a != b {
		t.Fatalf("read as %s; written and read as %s, %v", a, b, err)
	}
}

// FuzzMapper: what both sides say passes whole and in order; only octets of
// ports and addresses change, in mode Rewrite, and how it is cut does not matter.
func FuzzMapper(f *testing.F) {
	for _, drep := range orders {
		for _, wide := range []bool{false, true} {
			for _, op := range []uint16{OpMap, OpLookup} {
				g := dialogue{client: LittleEndian, server: drep, wide: wide, op: op, size: 64}
				g.stub = answered(op, Encoding{BigEndian: drep.BigEndian(), NDR64: wide}, tcpTower(NSPI, 49200), tcpTower(EMSMDB, 49201))
				s := g.script()
				f.Add(s[0].octets, s[1].octets, s[2].octets, s[3].octets, uint16(7))
			}
		}
	}
	f.Add(unhex(f, epmBind), unhex(f, epmAck), unhex(f, nspiAsk), unhex(f, nspiAnswer), uint16(1000))
	f.Add([]byte("GET /"), []byte("HTTP/1.1"), []byte{}, []byte{5, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, bind, ack, ask, answer []byte, piece uint16) {
		script := []say{{false, bind}, {true, ack}, {false, ask}, {true, answer}}
		toServer, toClient := said(script, false), said(script, true)
		for _, mode := range []Mode{Pass, Rewrite} {
			one, other := Mapper{Mode: mode}, Mapper{Mode: mode}
			s, c, errs := one.play(t, script, ours, nil)
			s2, c2, errs2 := other.play(t, script, ours, []int{int(piece)})
			if !bytes.Equal(s, toServer) || !bytes.Equal(s2, s) || !bytes.Equal(c, c2) || errs != errs2 {
				t.Fatalf("mode %d: to the server %x, to the client %x, %d errors; in pieces of %d: %x, %x, %d", mode, s, c, errs, piece, s2, c2, errs2)
			}
			if mode == Pass && !bytes.Equal(c, toClient) {
				t.Fatalf("to the client %x; want %x", c, toClient)
			}
			checkChanges(t, toClient, c)
		}
	})
}

// checkChanges fails the test unless out is in but for ports and addresses of
// ours in towers of its responses.
func checkChanges(t *testing.T, in, out []byte) {
	t.Helper()
	if len(in) != len(out) {
		t.Fatalf("%d octets became %d", len(in), len(out))
	}
	if bytes.Equal(in, out) {
		return
	}
	was, is := stubs(t, in), stubs(t, out)
	changed := len(differences(in, out))
	for _, at := range differences(was, is) {
		if !isOurs(is, at) {
			t.Fatalf("octet %d of the stubs is changed, which is no port or address of ours:\n%x\n%x", at, was, is)
		}
		changed--
	}
	if changed != 0 {
		t.Fatalf("%d octets outside of stubs are changed:\n%x\n%x", changed, in, out)
	}
}

// stubs returns the stubs of all responses, one behind the other.
func stubs(tb testing.TB, b []byte) (all []byte) {
	tb.Helper()
	pdus, _, _ := readAll(tb, &Reader{Whole: connectionOriented}, b, nil)
	for _, p := range pdus {
		if r, err := ParseResponse(p); err == nil {
			all = append(all, r.Stub...)
		}
	}
	return all
}

// isOurs reports whether the octet at is of a floor with our port, or address.
func isOurs(b []byte, at int) bool {
	for _, r := range ours {
		port := []byte{1, 0, byte(TCP), 2, 0, byte(r.Port >> 8), byte(r.Port)}
		if stands(b, port, at, 2) {
			return true
		}
		if r.Addr != (netip.Addr{}) {
			ip := r.Addr.As4()
			if stands(b, append([]byte{1, 0, byte(IP), 4, 0}, ip[:]...), at, 4) {
				return true
			}
		}
	}
	return false
}

// stands reports whether floor is in b so that at is one of its last n octets.
func stands(b, floor []byte, at, n int) bool {
	for i := 1; i <= n; i++ {
		from := at + i - len(floor)
		if from >= 0 && at+i <= len(b) && bytes.Equal(b[from:at+i], floor) {
			return true
		}
	}
	return false
}

// FuzzAssociation: 24 octets decide, whatever follows and however they come.
func FuzzAssociation(f *testing.F) {
	f.Add(unhex(f, epmBind), unhex(f, epmAck))
	f.Add((&Bind{Header: header(bigEndian, TypeBind, 1), Association: 1}).AppendTo(nil), []byte("HTTP/1.1 400"))
	f.Fuzz(func(t *testing.T, client, server []byte) {
		var a, b Association
		for n := 0; n < len(client) && a.Client(client[:n]) == More; n++ {
			if a.Bound() || a.Asked() != 0 {
				t.Fatalf("%d octets are not enough, but say %d", n, a.Asked())
			}
		}
		for n := 0; n < len(server) && a.Server(server[:n]) == More; n++ {
			if a.Got() != 0 {
				t.Fatalf("%d octets are not enough, but say %d", n, a.Got())
			}
		}
		v, w := b.Client(client), b.Server(server)
		if a.Client(client) != v || a.Server(server) != w || a != b {
			t.Fatalf("bit by bit %+v, at once %+v", a, b)
		}
		if len(client) >= AssociationOctets && v != All || len(server) >= AssociationOctets && w != All {
			t.Fatalf("%d and %d octets are not enough", len(client), len(server))
		}
		parsed, err := ParseBind(client[:min(len(client), frame(client))])
		if err == nil && parsed.Header.Type == TypeBind && (!b.Bound() || b.Asked() != parsed.Association) {
			t.Fatalf("bind %+v; asked %d", parsed, b.Asked())
		}
		ack, err := ParseBindAck(server[:min(len(server), frame(server))])
		if err == nil && ack.Header.Type == TypeBindAck && b.Got() != ack.Association {
			t.Fatalf("bind_ack %+v; got %d", ack, b.Got())
		}
	})
}

// frame returns the length of the PDU that p begins with.
func frame(p []byte) int {
	h, err := ParseHeader(p)
	if err != nil {
		return 0
	}
	return h.Length
}

// FuzzProbe: no answer makes a Probe go wrong, and how it is cut does not matter.
func FuzzProbe(f *testing.F) {
	f.Add(slices.Concat(unhex(f, epmAck), numbered(unhex(f, nspiAnswer), 2), numbered(unhex(f, noAnswer), 3)), 3)
	f.Add(unhex(f, epmAck), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		one := Probe{Interface: EPM, Ask: []Syntax{NSPI, EMSMDB}}
		other := one
		_, err := one.dialogue(t, len(b), b)
		_, errOther := other.dialogue(t, n, b)
		if fmt.Sprint(err) != fmt.Sprint(errOther) || one.Done() != other.Done() || fmt.Sprint(one.towers) != fmt.Sprint(other.towers) {
			t.Fatalf("%v, done %v, %v; in pieces of %d: %v, done %v, %v", err, one.Done(), one.towers, n, errOther, other.Done(), other.towers)
		}
	})
}
