package rpchttp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

var virtual, channel, other, group = Cookie{1}, Cookie{2}, Cookie{3}, Cookie{4}

func hexCookie(n byte) string { return hex.EncodeToString([]byte{n}) + strings.Repeat("00", 15) }

// samples are all PDUs that the package makes, with the octets that the
// specification wants.
var samples = []struct {
	name string
	pdu  []byte
	want string
}{
	{"A1", AppendConnA1(nil, virtual, channel), "05001403100000004c000000000000000000040006000000" +
		"0100000003000000" + hexCookie(1) + "03000000" + hexCookie(2) + "0000000000000100"},
	{"B1", AppendConnB1(nil, virtual, channel, group), "050014031000000068000000000000000000060006000000" +
		"0100000003000000" + hexCookie(1) + "03000000" + hexCookie(2) + "040000000000004005000000e09304000c000000" + hexCookie(4)},
	{"IN_R1-A1", AppendInR1A1(nil, virtual, channel, other), "050014031000000058000000000000000400040006000000" +
		"0100000003000000" + hexCookie(1) + "03000000" + hexCookie(2) + "03000000" + hexCookie(3)},
	{"OUT_R1-A3", AppendOutR1A3(nil, virtual, channel, other), "050014031000000060000000000000000400050006000000" +
		"0100000003000000" + hexCookie(1) + "03000000" + hexCookie(2) + "03000000" + hexCookie(3) + "0000000000000100"},
	{"OUT_R1-A2", AppendOutR1A2(nil), "05001403100000001c000000000000000400" + "01000d00000000000000"},
	{"OUT_R1-A11", AppendOutR1A11(nil), "050014031000000018000000000000000000" + "01000a000000"},
	{"A3", AppendConnA3(nil), "05001403100000001c000000000000000000010002000000c0d40100"},
	{"C2", AppendConnC2(nil), "05001403100000002c0000000000000000000300" + "0600000001000000" + "0000000000000100" + "02000000c0d40100"},
	{"ping", AppendPing(nil), "0500140310000000140000000000000001000000"},
	{"echo", AppendEcho(nil), "0500140310000000140000000000000040000000"},
}

func TestPDUs(t *testing.T) {
	for _, tt := range samples {
		t.Run(tt.name, func(t *testing.T) {
			if got := hex.EncodeToString(tt.pdu); got != tt.want {
				t.Errorf("%s = %s; want %s", tt.name, got, tt.want)
			}
			pdu, n, err := Parse(append(bytes.Clone(tt.pdu), "more"...))
			if err != nil || n != len(tt.pdu) {
				t.Fatalf("Parse = %d octets, %v; want %d", n, err, len(tt.pdu))
			}
			count := 0
			for range pdu.All() {
				count++
			}
			if count != pdu.Commands {
				t.Errorf("%d commands; want %d", count, pdu.Commands)
			}
		})
	}
}

func TestReplacementIsOf120Octets(t *testing.T) {
	p := AppendOutR1A11(AppendOutR1A3(nil, virtual, channel, other))
	if len(p) != 120 { // [MS-RPCH], Section 2.1.2.1.2
		t.Errorf("a replacement OUT channel sends %d octets; want 120", len(p))
	}
}

func TestParseCommands(t *testing.T) {
	pdu, _, err := Parse(AppendConnB1(nil, virtual, channel, group))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Command
	var last []byte
	for kind, payload := range pdu.All() {
		kinds, last = append(kinds, kind), payload
	}
	want := []Command{Version, ChannelCookie, ChannelCookie, ChannelLifetime, ClientKeepalive, AssociationGroupID}
	if len(kinds) != len(want) || !bytes.Equal(last, group[:]) {
		t.Fatalf("commands %v, group %x; want %v, %x", kinds, last, want, group)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("command %d = %d; want %d", i, kinds[i], want[i])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	a1 := AppendConnA1(nil, virtual, channel)
	with := func(at int, octets ...byte) []byte {
		p := bytes.Clone(a1)
		copy(p[at:], octets)
		return p
	}
	for _, tt := range []struct {
		name string
		p    []byte
		want error
	}{
		{"empty", nil, errTruncated},
		{"header-cut", a1[:19], errTruncated},
		{"body-cut", a1[:75], errTruncated},
		{"version", with(0, 4), ErrNoRTS},
		{"type", with(atType, 11), ErrNoRTS},
		{"fragment", with(atFlags, 1), ErrNoRTS},
		{"big-endian", with(atDrep, 0), ErrNoRTS},
		{"authenticated", with(atAuth, 1), ErrNoRTS},
		{"shorter-than-header", with(atLength, 19), ErrNoRTS},
		{"one-command-too-many", with(atCommands, 5), ErrCommands},
		{"one-command-too-few", with(atCommands, 3), ErrCommands},
		{"no-such-command", with(versionAt, 15), ErrCommands},
		{"padding-too-long", with(versionAt, byte(Padding), 0, 0, 0, 0xff, 0xff, 0, 0), ErrCommands},
		{"padding-absurd", with(versionAt, byte(Padding), 0, 0, 0, 0xff, 0xff, 0xff, 0xff), ErrCommands},
		{"address-of-no-kind", with(versionAt, byte(ClientAddress), 0, 0, 0, 2), ErrCommands},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, n, err := Parse(tt.p); !errors.Is(err, tt.want) || n != 0 {
				t.Errorf("Parse = %d, %v; want 0, %v", n, err, tt.want)
			}
		})
	}
}
