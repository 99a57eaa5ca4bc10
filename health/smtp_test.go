package health

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestSMTPProbeAnswers(t *testing.T) {
	const hello = "220 cas1.example.org Microsoft ESMTP MAIL Service ready\r\n"
	lines := func(n int) string { return strings.Repeat("250-x\r\n", n-1) + "250 x\r\n" }
	tests := []struct {
		name string
		says []string
		want string // in the error; empty: success
	}{
		{"good", []string{hello, "250-cas1 Hello\r\n250-SIZE\r\n250 STARTTLS\r\n", "221 bye\r\n"}, ""},
		{"bare", []string{"220\n", "250\n", "221\n"}, ""},
		{"long-greeting", []string{"220-be\r\n220-patient\r\n220 now\r\n", "250 cas1\r\n", "221\r\n"}, ""},
		{"closes-at-quit", []string{hello, "250 cas1\r\n", ""}, ""},
		{"no-service", []string{"554 No SMTP service here\r\n"}, `greeting: want 220, got "554 No SMTP service here"`},
		{"busy", []string{"421 4.3.2 Service not available\r\n"}, `greeting: want 220, got "421 4.3.2 Service not available"`},
		{"refuses-ehlo", []string{hello, "502 5.3.3 what?\r\n"}, `EHLO: want 250, got "502 5.3.3 what?"`},
		{"another-code", []string{hello, "250-cas1\r\n251 no\r\n"}, `EHLO: want a reply of SMTP, got "251 no"`},
		{"pop3", []string{"+OK ready\r\n"}, `greeting: want a reply of SMTP, got "+OK ready"`},
		{"code-of-two", []string{"22 x\r\n"}, `greeting: want a reply of SMTP, got "22 x"`},
		{"code-of-four", []string{"2200 x\r\n"}, `greeting: want a reply of SMTP, got "2200 x"`},
		{"code-too-high", []string{"620 x\r\n"}, `greeting: want a reply of SMTP, got "620 x"`},
		{"code-with-letter", []string{"22x x\r\n"}, `greeting: want a reply of SMTP, got "22x x"`},
		{"empty", []string{"\r\n"}, `greeting: want a reply of SMTP, got ""`},
		{"closes-at-ehlo", []string{hello, ""}, "EHLO: the server closed the connection"},
		{"cut", []string{hello, "250-cas1\r\n"}, "EHLO: the server closed the connection"},
		{"lines", []string{hello, lines(maxReplyLines), "221\r\n"}, ""},
		{"lines-beyond", []string{hello, lines(maxReplyLines + 1), "221\r\n"}, `EHLO: want a reply of SMTP of at most 100 lines, got more behind "250-x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, &SMTPProbe{Endpoint: serve(t, script(tt.says...))}, tt.want)
		})
	}
}

func TestSMTPProbeCommands(t *testing.T) {
	checkCommands(t, mailProbes["smtp"], "220 x\r\n", func(string) string { return "250 x\r\n" }, "EHLO [127.0.0.1]\r\nQUIT\r\n")
}

func TestAddressLiteral(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:25": "[192.0.2.1]", "[2001:db8::1]:25": "[IPv6:2001:db8::1]", "[::ffff:192.0.2.1]:25": "[192.0.2.1]",
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := literal(a); got != want {
			t.Errorf("literal(%s) = %s; want %s", address, got, want)
		}
	}
	if got := literal(&net.UnixAddr{}); got != "localhost" {
		t.Errorf("literal of another kind of address = %s", got)
	}
}

// FuzzSMTPReply has a server say anything.
func FuzzSMTPReply(f *testing.F) {
	for _, seed := range []string{
		"220 x\r\n", "250-a\r\n250-b\r\n250 c\r\n", "250-a\r\n251 b\r\n", "220\n", "22\r\n", strings.Repeat("250-\r\n", 101), strings.Repeat("2", 3000), "\x00\xff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d := &smtp{newDialogue(&deaf{says: in})}
		code, first, err := d.reply()
		presentable(t, err)
		if err != nil {
			return
		}
		if code < 200 || code > 599 || !strings.HasPrefix(string(in), strconv.Itoa(code)) {
			t.Fatalf("code %d of %q", code, in)
		}
		if len(first) > maxSaid+len(`""...`) {
			t.Fatalf("shown: %q", first)
		}
		// What was read is lines with that code, and nothing else.
		read := in[:len(in)-len(d.conn.(*deaf).says)-d.in.Buffered()]
		for line := range strings.Lines(string(read)) {
			if !strings.HasPrefix(line, strconv.Itoa(code)) || !strings.HasSuffix(line, "\n") {
				t.Fatalf("%q was read as a reply", read)
			}
		}
	})
}

// A server that takes no mail for now is off in an orderly way; another one that
// refuses in its greeting is not.
func TestSMTPProbeOfAServerThatIsOff(t *testing.T) {
	for text, want := range map[string]Cause{
		"421 4.3.2 Service not active\r\n":     Off,
		"421 4.3.1 Insufficient resources\r\n": Wrong,
		"421 Too busy\r\n":                     Wrong,
		"554 5.3.2 no\r\n":                     Wrong,
	} {
		p := &SMTPProbe{Endpoint: serve(t, script(text))}
		if err := p.Check(t.Context()); CauseOf(err) != want {
			t.Errorf("%q: Check() = %v, %v; want %v", text, err, CauseOf(err), want)
		}
	}
}
