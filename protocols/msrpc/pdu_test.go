package msrpc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestUUIDText(t *testing.T) {
	for text, s := range map[string]Syntax{
		"e1af8308-5d1f-11c9-91a4-08002b14a0fa 3.0":  EPM,
		"a4f1db00-ca47-1067-b31f-00dd010662da 0.81": EMSMDB,
		"f5cc5a18-4264-101a-8c59-08002b2f8426 56.0": NSPI,
		"1544f5e0-613c-11d1-93df-00c04fd7bd09 1.0":  RFR,
		"8a885d04-1ceb-11c9-9fe8-08002b104860 2.0":  NDR,
		"71710533-beba-4937-8319-b5dbef9ccc36 1.0":  NDR64,
		"6cb71c2c-9812-4540-0300-000000000000 1.0":  FeatureSyntax(3),
	} {
		if s.String() != text {
			t.Errorf("syntax %s; want %s", s, text)
		}
		if id, err := ParseUUID(text[:36]); err != nil || id != s.UUID {
			t.Errorf("ParseUUID(%s) = %s, %v", text[:36], id, err)
		}
	}
	for _, bad := range []string{"", "a4f1db00", "a4f1db00-ca47-1067-b31f+00dd010662da", "a4f1db00-ca47-1067-b31f-00dd010662dg", "a4f1db00-ca47-1067-b31f-00dd010662da0"} {
		if id, err := ParseUUID(bad); err == nil {
			t.Errorf("ParseUUID(%q) = %s; want an error", bad, id)
		}
	}
	if bits, ok := FeatureSyntax(3).Features(); bits != 3 || !ok {
		t.Errorf("features %x, %v; want 3", bits, ok)
	}
	if _, ok := NDR.Features(); ok {
		t.Error("NDR passes for features")
	}
}

func TestHeaderBounds(t *testing.T) {
	good := unhex(t, epmAck)[:16]
	edit := func(at int, octets ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], octets)
		return b
	}
	tests := []struct {
		name string
		p    []byte
		ok   bool
	}{
		{"good", good, true},
		{"version-5.1", edit(1, 1), true},
		{"shortest", edit(8, 16, 0), true},
		{"longest", edit(8, 0xff, 0xff), true},
		{"big-endian", edit(4, 0, 0, 0, 0, 0, 16, 0, 0), true},
		{"ebcdic", edit(4, 0x11), true},
		{"auth-fits", edit(8, 40, 0, 16, 0), true},
		{"cut", good[:15], false},
		{"version-4", edit(0, 4), false},
		{"version-5.2", edit(1, 2), false},
		{"type-ping", edit(2, 1), false},
		{"type-21", edit(2, 21), false},
		{"type-255", edit(2, 255), false},
		{"order-2", edit(4, 0x20), false},
		{"too-short", edit(8, 15, 0), false},
		{"auth-too-long", edit(8, 39, 0, 16, 0), false},
		{"auth-longest", edit(8, 0xff, 0xff, 0xff, 0xff), false},
		{"http", []byte("GET / HTTP/1.1\r\n\r\n"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if h, err := ParseHeader(tt.p); (err == nil) != tt.ok {
				t.Errorf("ParseHeader(%x) = %+v, %v; want it taken: %v", tt.p, h, err, tt.ok)
			}
		})
	}
}

// The samples come out as they are read.
func TestSamplesAreReadAndWritten(t *testing.T) {
	bind, err := ParseBind(unhex(t, epmBind))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Context{{Abstract: EPM, Transfer: []Syntax{NDR}}}, bind.Contexts); diff != "" || bind.MaxXmit != 5840 || bind.Association != 0 {
		t.Errorf("bind %+v\n%s", bind, diff)
	}
	ack, err := ParseBindAck(unhex(t, epmAck))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{{Transfer: NDR}}, ack.Results); diff != "" || ack.Association != 0x5c09 || string(ack.Address) != "135" {
		t.Errorf("bind_ack %+v\n%s", ack, diff)
	}
	req, err := ParseRequest(unhex(t, nspiAsk))
	if err != nil || req.Op != OpMap || len(req.Stub) != 132 || req.Hint != 132 {
		t.Fatalf("request %+v, %v", req, err)
	}
	resp, err := ParseResponse(unhex(t, nspiAnswer))
	if err != nil || len(resp.Stub) != 128 {
		t.Fatalf("response %+v, %v", resp, err)
	}
	for text, got := range map[string][]byte{
		epmBind: bind.AppendTo(nil), epmAck: ack.AppendTo(nil), nspiAsk: req.AppendTo(nil, 0), nspiAnswer: resp.AppendTo(nil, 0),
	} {
		if want := unhex(t, text); !bytes.Equal(got, want) {
			t.Errorf("written\n%x; want\n%x", got, want)
		}
	}
}

// A bind in big-endian, by hand.
func TestBigEndianBind(t *testing.T) {
	want := unhex(t, "05000b03 00000000 00480000 00000001 16d016d0 00005c09 01000000 0000 0100"+
		"e1af83085d1f11c991a408002b14a0fa 00000003 8a885d041ceb11c99fe808002b104860 00000002")
	b := Bind{
		Header: header(bigEndian, TypeBind, 1), MaxXmit: 5840, MaxRecv: 5840, Association: 0x5c09,
		Contexts: []Context{{Abstract: EPM, Transfer: []Syntax{NDR}}},
	}
	if got := b.AppendTo(nil); !bytes.Equal(got, want) {
		t.Errorf("bind\n%x; want\n%x", got, want)
	}
	s := EMSMDB.append(nil, big)
	if want := unhex(t, "a4f1db00ca471067b31f00dd010662da 00510000"); !bytes.Equal(s, want) {
		t.Errorf("EMSMDB 0.81 is %x; want %x", s, want)
	}
}

// The results of a Windows server that takes NDR64 and negotiates features.
func TestFeatureNegotiation(t *testing.T) {
	b := Bind{Header: header(LittleEndian, TypeBind, 2), Contexts: []Context{
		{ID: 0, Abstract: EPM, Transfer: []Syntax{NDR}},
		{ID: 1, Abstract: EPM, Transfer: []Syntax{NDR64}},
		{ID: 2, Abstract: EPM, Transfer: []Syntax{FeatureSyntax(3)}},
	}}
	got, err := ParseBind(b.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	if bits, ok := got.Contexts[2].Transfer[0].Features(); bits != 3 || !ok {
		t.Errorf("features %d, %v; want 3", bits, ok)
	}
	if diff := cmp.Diff(b.Contexts, got.Contexts); diff != "" {
		t.Error(diff)
	}
}

var pduCmp = cmp.Options{
	cmpopts.IgnoreFields(Header{}, "Length", "AuthLength"), cmpopts.EquateEmpty(),
}

func drawHeader(t *rapid.T, types ...Type) Header {
	h := header(LittleEndian, rapid.SampledFrom(types).Draw(t, "type"), rapid.Uint32().Draw(t, "call"))
	if rapid.Bool().Draw(t, "big") {
		h.Drep = bigEndian
	}
	h.Minor = rapid.Uint8Range(0, 1).Draw(t, "minor")
	return h
}

func drawSyntax(t *rapid.T) Syntax {
	return Syntax{
		UUID: UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")), Major: rapid.Uint16().Draw(t, "major"), Minor: rapid.Uint16().Draw(t, "minor"),
	}
}

func drawAuth(t *rapid.T) Auth {
	a := Auth{Value: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "auth")}
	if a.Present() {
		a.Type, a.Level, a.Context = rapid.Byte().Draw(t, "provider"), Level(rapid.Byte().Draw(t, "level")), rapid.Uint32().Draw(t, "context")
	}
	return a
}

func drawOctets(t *rapid.T, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, "octets")
}

func same[T any](t *rapid.T, want, got T, err error) {
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, pduCmp); diff != "" {
		t.Fatalf("written and read (-want +got):\n%s", diff)
	}
}

func TestPDUsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bind{
			Header: drawHeader(t, TypeBind, TypeAlterContext), MaxXmit: rapid.Uint16().Draw(t, "xmit"), MaxRecv: 5840,
			Association: rapid.Uint32().Draw(t, "association"), Auth: drawAuth(t),
		}
		for range rapid.IntRange(0, 5).Draw(t, "contexts") {
			c := Context{ID: rapid.Uint16().Draw(t, "id"), Abstract: drawSyntax(t)}
			for range rapid.IntRange(0, 3).Draw(t, "transfers") {
				c.Transfer = append(c.Transfer, drawSyntax(t))
			}
			b.Contexts = append(b.Contexts, c)
		}
		got, err := ParseBind(b.AppendTo([]byte("before"))[6:])
		same(t, b, got, err)

		a := BindAck{
			Header: drawHeader(t, TypeBindAck, TypeAlterResp), MaxRecv: 1, Association: rapid.Uint32().Draw(t, "association"),
			Address: []byte(rapid.StringMatching(`[a-z0-9\\]{0,30}`).Draw(t, "address")), Auth: drawAuth(t),
		}
		for range rapid.IntRange(0, 5).Draw(t, "results") {
			a.Results = append(a.Results, Result{Outcome: Outcome(rapid.Uint16().Draw(t, "outcome")), Reason: rapid.Uint16().Draw(t, "reason"), Transfer: drawSyntax(t)})
		}
		gotAck, err := ParseBindAck(a.AppendTo([]byte("before"))[6:])
		same(t, a, gotAck, err)

		n := BindNak{Header: drawHeader(t, TypeBindNak), Reason: rapid.Uint16().Draw(t, "reason"), Versions: [][2]uint8{{5, 0}, {5, 1}}[:rapid.IntRange(0, 2).Draw(t, "versions")]}
		gotNak, err := ParseBindNak(n.AppendTo(nil))
		same(t, n, gotNak, err)

		f := &Fault{Header: drawHeader(t, TypeFault), Hint: 1, Context: rapid.Uint16().Draw(t, "context"), Status: rapid.Uint32().Draw(t, "status")}
		gotFault, err := ParseFault(f.AppendTo(nil))
		same(t, f, gotFault, err)
	})
}

// Calls come back out of their fragments, whatever the size of those.
func TestCallsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 100, 101, 1432, 5840}).Draw(t, "size")
		q := Request{
			Header: drawHeader(t, TypeRequest), Hint: rapid.Uint32().Draw(t, "hint"), Context: rapid.Uint16().Draw(t, "context"),
			Op: rapid.Uint16().Draw(t, "op"), Stub: drawOctets(t, 700), Auth: drawAuth(t),
		}
		if rapid.Bool().Draw(t, "object") {
			q.Header.Flags |= HasObject
			q.Object = drawSyntax(t).UUID
		}
		got := assembled(t, q.AppendTo(nil, size), size)
		first, err := ParseRequest(got.Raw()[:got.Header().Length])
		q.Header.Flags, first.Stub = got.Header().Flags, got.Stub()
		same(t, q, first, err)

		r := Response{
			Header: drawHeader(t, TypeResponse), Hint: rapid.Uint32().Draw(t, "hint"), Context: rapid.Uint16().Draw(t, "context"),
			Cancels: rapid.Byte().Draw(t, "cancels"), Stub: drawOctets(t, 700), Auth: drawAuth(t),
		}
		got = assembled(t, r.AppendTo(nil, size), size)
		second, err := ParseResponse(got.Raw()[:got.Header().Length])
		r.Header.Flags, second.Stub = got.Header().Flags, got.Stub()
		same(t, r, second, err)

		raw := bytes.Clone(got.Raw())
		got.SetStub(got.Stub())
		if !bytes.Equal(raw, got.Raw()) {
			t.Fatal("SetStub of the same stub changes the PDUs")
		}
	})
}

// assembled puts fragments of at most size octets together.
func assembled(t *rapid.T, b []byte, size int) *Assembly {
	var a Assembly
	r := Reader{Whole: connectionOriented}
	for len(b) > 0 {
		piece, used, err := r.Next(b)
		if err != nil || !piece.Whole || size > 0 && len(piece.Octets) > size {
			t.Fatalf("piece %+v, %v", piece, err)
		}
		b = b[used:]
		done, err := a.Add(piece.Octets)
		if err != nil || done != (len(b) == 0) {
			t.Fatalf("done %v with %d octets to come, %v", done, len(b), err)
		}
	}
	return &a
}

// only returns the error of a parser alone.
func only[T any](parse func([]byte) (T, error)) func([]byte) error {
	return func(pdu []byte) error {
		_, err := parse(pdu)
		return err
	}
}

// Every cut is refused, and so are counts of what is not there.
func TestParseBounds(t *testing.T) {
	parse := func(pdu []byte) error {
		return map[Type]func([]byte) error{
			TypeBind: only(ParseBind), TypeBindAck: only(ParseBindAck), TypeBindNak: only(ParseBindNak), TypeFault: only(ParseFault),
			TypeRequest: only(ParseRequest), TypeResponse: only(ParseResponse),
		}[Type(pdu[2])](pdu)
	}
	nak := &BindNak{Header: header(LittleEndian, TypeBindNak, 1), Versions: [][2]uint8{{5, 0}}}
	fault := &Fault{Header: header(LittleEndian, TypeFault, 1)}
	object := &Request{Header: header(LittleEndian, TypeRequest, 1)}
	object.Header.Flags |= HasObject
	tests := []struct {
		name  string
		pdu   []byte
		fixed int // octets without which it is none
		count int // where a count stands; 0: none
	}{
		{"bind", unhex(t, epmBind), 72, 24},
		{"bind-transfers", unhex(t, epmBind), 72, 30},
		{"bind_ack", unhex(t, epmAck), 60, 32},
		{"bind_ack-address", unhex(t, epmAck), 60, 24},
		{"bind_nak", nak.AppendTo(nil), 18, 18},
		{"fault", fault.AppendTo(nil), 28, 0},
		{"request", unhex(t, nspiAsk), 24, 0},
		{"request-object", object.AppendTo(nil, 0), 40, 0},
		{"response", unhex(t, nspiAnswer), 24, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := parse(tt.pdu); err != nil {
				t.Fatalf("the whole PDU: %v", err)
			}
			for _, n := range []int{tt.fixed, tt.fixed - 1} {
				cut := bytes.Clone(tt.pdu[:n])
				cut[8], cut[9] = byte(n), 0
				if err := parse(cut); (err == nil) != (n == tt.fixed) {
					t.Errorf("%d octets: %v", n, err)
				}
			}
			if err := parse(tt.pdu[:len(tt.pdu)-1]); !errors.Is(err, ErrPDU) {
				t.Errorf("a PDU that is not whole: %v; want %v", err, ErrPDU)
			}
			if tt.count > 0 {
				bad := bytes.Clone(tt.pdu)
				bad[tt.count] = 0xff
				if err := parse(bad); err == nil {
					t.Error("a count of 255 is taken")
				}
			}
		})
	}
	auth := (&Response{Header: header(LittleEndian, TypeResponse, 1), Stub: []byte{1, 2, 3, 4}, Auth: Auth{Level: LevelPrivacy, Value: []byte{1}}}).AppendTo(nil, 0)
	auth[len(auth)-1-trailerSize+2] = 200 // auth_pad_length
	if err := parse(auth); err == nil {
		t.Error("padding that begins before the PDU is taken")
	}
}
