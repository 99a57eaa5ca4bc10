package ntlm

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/go-ntlmssp"
	"github.com/google/go-cmp/cmp"
)

// specChallenge and specAuthenticate are the NTLMv2 messages of [MS-NLMP],
// Section 4.2.4.3: User of Domain at COMPUTER, towards Server.
const (
	specChallenge = "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000" +
		"000000002400240044000000060070170000000f53006500720076006500720002000c00" +
		"44006f006d00610069006e0001000c005300650072007600650072000000" + "0000"
	specAuthenticate = "4e544c4d5353500003000000180018006c00000054005400840000000c000c004800000008000800" +
		"5400000010001000" + "5c00000010001000d8000000358288e20501280a0000000f" +
		"44006f006d00610069006e00" + "5500730065007200" + "43004f004d0050005500540045005200" +
		"86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa" +
		"68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa" +
		"0000000002000c0044006f006d00610069006e0001000c0053006500720076006500720000000000" +
		"00000000" + "c5dad2544fc9799094ce1ce90bc9d03e"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseSpecMessages(t *testing.T) {
	c, err := ParseChallenge(unhex(t, specChallenge))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Flags.Text(c.TargetName); got != "Server" || c.ServerChallenge != [8]byte{1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef} {
		t.Errorf("challenge %x of %q", c.ServerChallenge, got)
	}
	for id, want := range map[PairID]string{DomainName: "Domain", ComputerName: "Server"} {
		if v, ok := Pair(c.TargetInfo, id); !ok || Unicode.Text(v) != want {
			t.Errorf("pair %d = %q, %v; want %q", id, Unicode.Text(v), ok, want)
		}
	}
	if _, ok := Pair(c.TargetInfo, Timestamp); ok {
		t.Error("found a timestamp, which is not there")
	}

	a, err := ParseAuthenticate(unhex(t, specAuthenticate))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{a.Flags.Text(a.Domain), a.Flags.Text(a.User), a.Flags.Text(a.Workstation)}
	if diff := cmp.Diff([]string{"Domain", "User", "COMPUTER"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if hex.EncodeToString(a.SessionKey) != "c5dad2544fc9799094ce1ce90bc9d03e" ||
		hex.EncodeToString(a.LM) != "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa" ||
		hex.EncodeToString(a.NT[:16]) != "68cd0ab851e51c96aabc927bebef6a1c" || len(a.NT) != 84 || !a.IsNTLMv2() {
		t.Errorf("responses %x, %x, key %x", a.LM, a.NT, a.SessionKey)
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	flags := Unicode | NTLM | RequestTarget | HasTargetInfo | TargetTypeDomain | ExtendedSessionSecurity
	info := AppendPair(nil, DomainName, flags.AppendText(nil, "EXAMPLE"))
	info = AppendPair(info, DNSComputerName, flags.AppendText(nil, "cas1.example.org"))
	info = AppendPair(info, EndOfList, nil)
	want := Challenge{
		Flags: flags, ServerChallenge: [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
		TargetName: flags.AppendText(nil, "EXAMPLE"), TargetInfo: info,
	}
	got, err := ParseChallenge(want.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("challenge (-want +got):\n%s", diff)
	}
	if v, ok := Pair(got.TargetInfo, DNSComputerName); !ok || Unicode.Text(v) != "cas1.example.org" {
		t.Errorf("DNS name = %q, %v", Unicode.Text(v), ok)
	}
}

// A client that is not ours takes our challenge, and we read its messages.
func TestAgainstClient(t *testing.T) {
	one, err := ntlmssp.NewNegotiateMessage("EXAMPLE", "desk")
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseNegotiate(one)
	if err != nil {
		t.Fatal(err)
	}
	if n.Flags&Unicode == 0 || n.Flags&NTLM == 0 {
		t.Errorf("flags %x; want Unicode and NTLM", n.Flags)
	}
	flags := Unicode | NTLM | RequestTarget | HasTargetInfo | ExtendedSessionSecurity | Key128 | Key56
	c := Challenge{Flags: flags, ServerChallenge: [8]byte{1, 2, 3}, TargetName: flags.AppendText(nil, "EXAMPLE")}
	c.TargetInfo = AppendPair(AppendPair(nil, DomainName, c.TargetName), EndOfList, nil)
	three, err := ntlmssp.NewAuthenticateMessage(c.AppendTo(nil), "Älice", "secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAuthenticate(three)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Flags.Text(a.User); got != "Älice" || !a.IsNTLMv2() {
		t.Errorf("user %q, NTLMv2 %v; want Älice, true", got, a.IsNTLMv2())
	}
	if got, ok := user(Raw(three)); !ok || !strings.HasSuffix(got, "älice") {
		t.Errorf("user %q, %v; want älice", got, ok)
	}
}

// Every cut and every field that points outside is refused.
func TestParseBounds(t *testing.T) {
	parse := func(msg []byte) error {
		switch TypeOf(msg) {
		case NegotiateType:
			_, err := ParseNegotiate(msg)
			return err
		case ChallengeType:
			_, err := ParseChallenge(msg)
			return err
		case AuthenticateType:
			_, err := ParseAuthenticate(msg)
			return err
		default:
			return errMessage
		}
	}
	negotiate := slices.Concat(
		[]byte("NTLMSSP\x00\x01\x00\x00\x00\x00\x30\x00\x00"),
		[]byte{2, 0, 2, 0, 36, 0, 0, 0}, []byte{4, 0, 4, 0, 32, 0, 0, 0}, []byte("DESKEX"))
	tests := []struct {
		name   string
		msg    []byte
		fields []int // where the Fields structures stand
	}{
		{"negotiate", negotiate, []int{16, 24}},
		{"challenge", unhex(t, specChallenge), []int{12, 40}},
		{"authenticate", unhex(t, specAuthenticate), []int{12, 20, 28, 36, 44, 52}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := parse(tt.msg); err != nil {
				t.Fatalf("the whole message: %v", err)
			}
			last := 0 // the end of the field that ends last
			for _, at := range tt.fields {
				s := spanAt(tt.msg[at:])
				last = max(last, s.offset+s.length)
			}
			if err := parse(tt.msg[:last]); err != nil {
				t.Errorf("up to the last field: %v", err)
			}
			if parse(tt.msg[:last-1]) == nil {
				t.Error("one octet less is accepted")
			}
			for _, at := range tt.fields {
				for _, offset := range [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0x7f}} {
					bad := bytes.Clone(tt.msg)
					copy(bad[at+4:], offset)
					if parse(bad) == nil {
						t.Errorf("field at %d with offset %x is accepted", at, offset)
					}
				}
			}
		})
	}
}

func TestOEMText(t *testing.T) {
	if got := OEM.Text(OEM.AppendText(nil, "alice")); got != "alice" {
		t.Errorf("OEM text = %q; want alice", got)
	}
}
