package health

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"casbah/balance"
)

// script is a server that says its lines one by one: the first as the greeting,
// then one for each line that it hears. It hangs up when it has said them all: after
// an empty one when it has heard one more. After "hang" it is silent instead.
func script(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for i, line := range lines {
			if i > 0 {
				if _, err := in.ReadString('\n'); err != nil {
					return
				}
			}
			if line == "hang" {
				io.Copy(io.Discard, in)
				return
			}
			io.WriteString(c, line)
		}
	}
}

// checkCommands has a probe meet a server that greets and answers each line, and
// checks all that the probe said.
func checkCommands(t *testing.T, probe func(*balance.Endpoint) Probe, greeting string, answer func(line string) string, want string) {
	t.Helper()
	said := make(chan string, 1)
	checkError(t, probe(serve(t, func(c net.Conn) {
		io.WriteString(c, greeting)
		all := ""
		for in := bufio.NewReader(c); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				said <- all
				return
			}
			all += line
			io.WriteString(c, answer(line))
		}
	})), "")
	if got := <-said; got != want {
		t.Errorf("said %q; want %q", got, want)
	}
}

// endless says text again and again.
func endless(text string) func(net.Conn) {
	return func(c net.Conn) {
		for chunk := []byte(strings.Repeat(text, 100)); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}
}

// slowly says one octet after the other.
func slowly(text string) func(net.Conn) {
	return func(c net.Conn) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond) // the pace of the server
		}
	}
}

// mailProbes are the probes of mail, by name.
var mailProbes = map[string]func(*balance.Endpoint) Probe{
	"pop3": func(e *balance.Endpoint) Probe { return &POP3Probe{Endpoint: e} },
	"imap": func(e *balance.Endpoint) Probe { return &IMAPProbe{Endpoint: e} },
	"smtp": func(e *balance.Endpoint) Probe { return &SMTPProbe{Endpoint: e} },
}

// A server that is not what it should be costs a bounded number of octets, no
// more time than there is, and is told by what it said.
func TestMailProbesMeetHostileServers(t *testing.T) {
	tests := []struct {
		name   string
		server func(net.Conn)
		want   map[string]string // in the error, by probe; under "" for all
	}{
		{"closes", script(), map[string]string{"": "greeting: the server closed the connection"}},
		{"closes-in-a-line", script("+OK 220 but no"), map[string]string{
			"": "greeting: the server closed the connection", "imap": `greeting: not IMAP: got "+OK 220 but no"`,
		}},
		{"resets", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, map[string]string{"": "connection reset by peer"}},
		{"http", script("HTTP/1.1 400 Bad Request\r\n"), map[string]string{
			"pop3": `greeting: want +OK, got "HTTP/1.1 400 Bad Request"`,
			"smtp": `greeting: want a reply of SMTP, got "HTTP/1.1 400 Bad Request"`,
			"imap": `greeting: not IMAP: got "HTTP/1.1 400 Bad Request"`,
		}},
		{"binary", script("\x16\x03\x01\x00\x1b[31m\xff\n"), map[string]string{"": `got "\x16\x03\x01\x00\x1b[31m\xff"`}},
		{"endless-line", endless("a"), map[string]string{
			"":     `greeting: line longer than 2048 octets: "` + strings.Repeat("a", 128) + `"...`,
			"imap": `greeting: more than 65536 octets: "` + strings.Repeat("a", 128) + `"...`,
		}},
		{"endless-binary-line", endless("\x01"), map[string]string{
			"":     `greeting: line longer than 2048 octets: "` + strings.Repeat(`\x01`, 32) + `"...`,
			"imap": `greeting: not IMAP: got "` + strings.Repeat(`\x01`, 32) + `"...`,
		}},
	}
	for _, tt := range tests {
		for kind, probe := range mailProbes {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				want := cmp.Or(tt.want[kind], tt.want[""])
				checkError(t, probe(serve(t, tt.server)), want)
			})
		}
	}
}

func TestMailProbesTimeOut(t *testing.T) {
	for kind, probe := range mailProbes {
		t.Run("silent/"+kind, func(t *testing.T) { wantTimeout(t, probe(serve(t, script("hang"))), "greeting") })
		t.Run("slow/"+kind, func(t *testing.T) { wantTimeout(t, probe(serve(t, slowly("+ "))), "greeting") })
		t.Run("in-the-handshake/"+kind, func(t *testing.T) {
			e := serve(t, script("hang"))
			e.TLS = anyTLS
			wantTimeout(t, probe(e), "TLS")
		})
	}
	wantTimeout(t, mailProbes["pop3"](serve(t, script("+OK\r\n", "hang"))), "CAPA")
	wantTimeout(t, mailProbes["pop3"](serve(t, script("+OK\r\n", "-ERR\r\n", "hang"))), "QUIT")
	wantTimeout(t, mailProbes["imap"](serve(t, script("* OK [CAPABILITY IMAP4rev1]\r\n", "hang"))), "CAPABILITY")
	wantTimeout(t, mailProbes["imap"](serve(t, script("* OK\r\n", "* CAPABILITY IMAP4rev1\r\n", "hang"))), "CAPABILITY")
	wantTimeout(t, mailProbes["imap"](serve(t, script("* OK [CAPABILITY IMAP4rev1]\r\n", "* CAPABILITY IMAP4rev1\r\nT1 OK\r\n", "hang"))), "LOGOUT")
	wantTimeout(t, mailProbes["smtp"](serve(t, script("220 x\r\n", "250-cas1\r\n250", "hang"))), "EHLO")
	wantTimeout(t, mailProbes["smtp"](serve(t, script("220 x\r\n", "250 cas1\r\n", "hang"))), "QUIT")
}

// anyTLS is TLS that a probe is to begin.
var anyTLS = &tls.Config{ServerName: "cas1.example.org"}

// Octets in clear behind the answer that begins TLS would be read as if they had
// come in TLS: whoever stands between could have added them.
func TestMailProbesRefuseOctetsAheadOfTLS(t *testing.T) {
	for name, tt := range map[string]struct {
		server func(net.Conn)
		probe  func(e *balance.Endpoint) Probe
	}{
		"pop3": {
			script("+OK\r\n", "+OK begin\r\n-ERR injected\r\n", "hang"),
			func(e *balance.Endpoint) Probe { return &POP3Probe{Endpoint: e, StartTLS: anyTLS} },
		},
		"imap": {
			script("* OK\r\n", "casbah OK begin\r\n* OK injected\r\n", "hang"),
			func(e *balance.Endpoint) Probe { return &IMAPProbe{Endpoint: e, StartTLS: anyTLS} },
		},
		"smtp": {
			script("220 x\r\n", "250 STARTTLS\r\n", "220 begin\r\n250 injected\r\n", "hang"),
			func(e *balance.Endpoint) Probe { return &SMTPProbe{Endpoint: e, StartTLS: anyTLS} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			checkError(t, tt.probe(serve(t, tt.server)), "octets in clear ahead of it")
		})
	}
}
