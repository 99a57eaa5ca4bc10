package msrpc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// server answers a Probe with what it has, call by call; in pieces of n octets.
func (p *Probe) dialogue(tb testing.TB, n int, answers ...[]byte) (asked [][]byte, err error) {
	tb.Helper()
	asked = append(asked, p.Begin(nil))
	for _, a := range answers {
		for _, piece := range cut(a, []int{n}) {
			out, err := p.Take(nil, piece)
			if err != nil {
				return asked, err
			}
			if len(out) > 0 {
				asked = append(asked, out)
			}
		}
	}
	return asked, nil
}

func numbered(pdu []byte, call byte) []byte {
	pdu = bytes.Clone(pdu)
	pdu[12] = call
	return pdu
}

func TestProbeAsksTheMapper(t *testing.T) {
	stub := answered(OpMap, Encoding{}, tcpTower(RFR, 49201), tcpTower(RFR, 49202))
	inParts := (&Response{Header: header(LittleEndian, TypeResponse, 4), Stub: stub}).AppendTo(nil, 64)
	for _, n := range []int{1, 50, 1000} {
		p := Probe{Interface: EPM, Ask: []Syntax{NSPI, EMSMDB, RFR}}
		asked, err := p.dialogue(t, n, unhex(t, epmAck), numbered(unhex(t, nspiAnswer), 2), numbered(unhex(t, noAnswer), 3), inParts)
		if err != nil || !p.Done() || len(asked) != 4 {
			t.Fatalf("%d asked, done %v, %v; want 4", len(asked), p.Done(), err)
		}
		if !bytes.Equal(asked[0], unhex(t, epmBind)) {
			t.Errorf("bind\n%x; want\n%s", asked[0], epmBind)
		}
		want := numbered(unhex(t, nspiAsk), 2)
		want[len(want)-4] = maxTowers
		if !equalButFill(asked[1], want) {
			t.Errorf("ept_map\n%x; want\n%x", asked[1], want)
		}
		if port, err := p.Port(0); port != 60001 || err != nil {
			t.Errorf("NSPI at %d, %v; want 60001", port, err)
		}
		if port, err := p.Port(1); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("EMSMDB at %d, %v; want %v", port, err, ErrNotRegistered)
		}
		if port, err := p.Port(2); port != 49201 || err != nil {
			t.Errorf("RFR at %d, %v; want 49201", port, err)
		}
		if towers, err := p.Towers(2); len(towers) != 2 || err != nil {
			t.Errorf("RFR has towers %v, %v; want 2", towers, err)
		}
		if _, err := p.Port(3); err == nil {
			t.Error("there is a port of what was not asked")
		}
	}
}

// A data port is asked by a bind alone.
func TestProbeBinds(t *testing.T) {
	p := Probe{Interface: EMSMDB}
	asked, err := p.dialogue(t, 7, unhex(t, epmAck))
	if err != nil || !p.Done() || len(asked) != 1 {
		t.Fatalf("%d asked, done %v, %v", len(asked), p.Done(), err)
	}
	b, err := ParseBind(asked[0])
	if err != nil || b.Contexts[0].Abstract != EMSMDB {
		t.Errorf("bind %+v, %v", b, err)
	}
}

func TestProbeTellsWhy(t *testing.T) {
	rejected := (&BindAck{Header: header(bigEndian, TypeBindAck, 1), Results: []Result{{Outcome: ProviderRejected, Reason: 1}}}).AppendTo(nil)
	later := (&BindAck{Header: header(LittleEndian, TypeBindAck, 1), Results: []Result{{Outcome: UserRejected, Reason: 17}}}).AppendTo(nil)
	empty := (&BindAck{Header: header(LittleEndian, TypeBindAck, 1)}).AppendTo(nil)
	nak := (&BindNak{Header: header(LittleEndian, TypeBindNak, 1), Reason: 4}).AppendTo(nil)
	fault := (&Fault{Header: header(LittleEndian, TypeFault, 2), Status: 5}).AppendTo(nil)
	failed := (&Response{Header: header(LittleEndian, TypeResponse, 2), Stub: (&MapResponse{Status: 0x16c9a0cd}).AppendTo(nil, Encoding{})}).AppendTo(nil, 0)
	broken := (&Response{Header: header(LittleEndian, TypeResponse, 2), Stub: answered(OpMap, Encoding{}, []byte("no tower"))}).AppendTo(nil, 0)
	ack := unhex(t, epmAck)
	tests := []struct {
		name    string
		answers [][]byte
		want    string
	}{
		{"no-interface", [][]byte{rejected}, "the interface is refused: no such interface"},
		{"reason-unknown", [][]byte{later}, "reason 17"},
		{"no-result", [][]byte{empty}, ErrPDU.Error()},
		{"bind-nak", [][]byte{nak}, "the bind is refused: reason 4"},
		{"garbage", [][]byte{[]byte("220 smtp.example.org ESMTP\r\n")}, ErrHeader.Error()},
		{"fault", [][]byte{ack, fault}, "fault 0x00000005"},
		{"status", [][]byte{ack, failed}, "status 0x16c9a0cd"},
		{"no-tower", [][]byte{ack, broken}, errTower.Error()},
		{"not-an-answer", [][]byte{ack, ack}, "want a PDU of type 2 for call 2, got type 12 for call 1"},
		{"another-call", [][]byte{ack, numbered(unhex(t, nspiAnswer), 9)}, "got type 2 for call 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Probe{Interface: EPM, Ask: []Syntax{NSPI}}
			_, err := p.dialogue(t, 1000, tt.answers...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || p.Done() {
				t.Errorf("error %v, done %v; want %q", err, p.Done(), tt.want)
			}
			if _, again := p.Take(nil, ack); !errors.Is(again, err) {
				t.Errorf("behind it: %v; want %v", again, err)
			}
			if tt.name == "fault" {
				if f, ok := errors.AsType[*FaultError](err); !ok || f.Status != 5 {
					t.Errorf("error %v; want a FaultError", err)
				}
			}
		})
	}
}
