package health

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"casbah/balance"
)

func TestPOP3ProbeAnswers(t *testing.T) {
	account := Account{User: "probe@example.org", Password: "Secret 1"}
	ok := []string{"+OK ready\r\n", "-ERR\r\n"}
	tests := []struct {
		name    string
		account Account
		says    []string
		want    string // in the error; empty: success
	}{
		{"greeting", Account{}, []string{"+OK ready\r\n", "+OK\r\nTOP\r\nUIDL\r\n.\r\n", "+OK bye\r\n"}, ""},
		{"bare", Account{}, []string{"+OK\n", "-ERR\n", "+OK\n"}, ""},
		{"no-capa", Account{}, append(slices.Clone(ok), "+OK bye\r\n"), ""},
		{"closes-at-quit", Account{}, append(slices.Clone(ok), ""), ""},
		{"refuses-quit", Account{}, append(slices.Clone(ok), "-ERR\r\n"), ""},
		{"busy", Account{}, []string{"-ERR Connection limit reached\r\n"}, `greeting: want +OK, got "-ERR Connection limit reached"`},
		{"smtp", Account{}, []string{"220 cas1 ESMTP\r\n"}, `greeting: want +OK, got "220 cas1 ESMTP"`},
		{"okay", Account{}, []string{"+OKAY\r\n"}, `greeting: want +OK, got "+OKAY"`},
		{"empty", Account{}, []string{"\r\n"}, `greeting: want +OK, got ""`},
		{"odd-capa", Account{}, []string{"+OK\r\n", "250 no\r\n"}, `CAPA: want +OK or -ERR, got "250 no"`},
		{"capa-cut", Account{}, []string{"+OK\r\n", "+OK\r\nTOP\r\n"}, "CAPA: the server closed the connection"},
		{"login", account, append(slices.Clone(ok), "+OK\r\n", "+OK\r\n", "+OK 2 320\r\n", "+OK\r\n"), ""},
		{"unknown", account, append(slices.Clone(ok), "-ERR who?\r\n"), `USER: want +OK, got "-ERR who?"`},
		{"refused", account, append(slices.Clone(ok), "+OK\r\n", "-ERR Logon failure\r\n"), `PASS: want +OK, got "-ERR Logon failure"`},
		{"mailbox-gone", account, append(slices.Clone(ok), "+OK\r\n", "+OK\r\n", "-ERR no mailbox\r\n"), `STAT: want +OK and two numbers, got "-ERR no mailbox"`},
		{"no-numbers", account, append(slices.Clone(ok), "+OK\r\n", "+OK\r\n", "+OK 2 -1\r\n"), `STAT: want +OK and two numbers, got "+OK 2 -1"`},
		{"closes-at-pass", account, append(slices.Clone(ok), "+OK\r\n", ""), "PASS: the server closed the connection"},
		{"endless-capa", Account{}, []string{"+OK\r\n", "+OK\r\n" + strings.Repeat("TOP\r\n", 20000)}, "CAPA: more than 65536 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, &POP3Probe{Endpoint: serve(t, script(tt.says...)), Account: tt.account}, tt.want)
		})
	}
}

func TestPOP3ProbeCommands(t *testing.T) {
	probe := func(e *balance.Endpoint) Probe {
		return &POP3Probe{Endpoint: e, Account: Account{User: `EXAMPLE\probe`, Password: "Secret 1"}}
	}
	checkCommands(t, probe, "+OK\r\n", func(line string) string {
		return map[bool]string{true: "+OK\r\n.\r\n", false: "+OK 1 2\r\n"}[line == "CAPA\r\n"]
	}, "CAPA\r\nUSER EXAMPLE\\probe\r\nPASS Secret 1\r\nSTAT\r\nQUIT\r\n")
}

// A server that repeats the password, in whatever letters, does not put it on the
// page or into the log.
func TestPOP3ProbeHidesThePassword(t *testing.T) {
	for _, text := range []string{
		"-ERR bad command PASS Secret1", "-ERR PASS SECRET1", strings.Repeat("x", 126) + "Secret1",
		strings.Repeat("x", 2042) + "Secret1" + strings.Repeat("x", 99),
	} {
		server := script("+OK\r\n", "-ERR\r\n", "+OK\r\n", text+"\r\n")
		err := (&POP3Probe{Endpoint: serve(t, server), Account: Account{User: "probe", Password: "Secret1"}}).Check(t.Context())
		if err == nil || strings.Contains(strings.ToLower(fmt.Sprintf("%v %+v %#v", err, err, err)), "ecr") {
			t.Errorf("Check() = %v", err)
		}
	}
}

// Lines and answers up to their limits, and beyond by one.
func TestDialogueLimits(t *testing.T) {
	line := func(n int) string { return "+OK " + strings.Repeat("x", n-6) + "\r\n" }
	probe := func(says ...string) Probe { return &POP3Probe{Endpoint: serve(t, script(says...))} }
	checkError(t, probe(line(maxLine), "-ERR\r\n"), "")
	checkError(t, probe(line(maxLine+1), "-ERR\r\n"), "line longer than 2048 octets")
	// The greeting takes 5 octets, the answer all that is left.
	const tail = ".\r\n"
	list := func(octets int) string {
		const first = "+OK\r\n"
		n := octets - len(first) - len(tail)
		return first + strings.Repeat("TOP\r\n", n/5-1) + strings.Repeat("T", 3+n%5) + "\r\n" + tail
	}
	checkError(t, probe("+OK\r\n", list(maxAnswer-5)), "")
	checkError(t, probe("+OK\r\n", list(maxAnswer-4)), "CAPA: more than 65536 octets")
}

// FuzzPOP3 has a server say anything.
func FuzzPOP3(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n+OK\r\n.\r\n+OK\r\n+OK\r\n+OK 1 2\r\n+OK\r\n", "-ERR no\r\n", "+OK\n-ERR\n", "+OK\r\n+OK\r\nTOP\r\n", "+OK\r\n-ERR\r\n+OK\r\n-ERR hidden\r\n",
		strings.Repeat("a", 3000), "\x00\xff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const hidden = "hIdDeN!"
		d := &pop3{newDialogue(&deaf{says: in})}
		err := d.positive(t.Context(), "greeting")
		if err == nil && !strings.HasPrefix(string(in), "+OK") {
			t.Fatalf("%q was taken for a greeting", in)
		}
		if err == nil {
			err = d.capabilities(t.Context())
		}
		if err == nil {
			if err = d.login(t.Context(), Account{User: "probe", Password: hidden}); err == nil && strings.Count(string(in), "+OK") < 4 {
				t.Fatalf("%q was taken for a login", in)
			}
		}
		presentable(t, err)
		if err != nil && d.hidden != "" && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hidden)) {
			t.Fatalf("the password is in %q", err)
		}
	})
}

// presentable checks that an error can stand on the page and in the log.
func presentable(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > 250 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		t.Fatalf("error of %d octets: %q", len(text), text)
	}
}

// deaf is a connection of which one side is known beforehand.
type deaf struct {
	net.Conn
	says   []byte
	closed atomic.Bool
}

func (d *deaf) Read(p []byte) (int, error) {
	if len(d.says) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.says)
	d.says = d.says[n:]
	return n, nil
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

func (d *deaf) Close() error {
	d.closed.Store(true)
	return nil
}
