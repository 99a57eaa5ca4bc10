package health

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"casbah/balance"
)

func TestIMAPProbeAnswers(t *testing.T) {
	const (
		hello = "* OK [CAPABILITY IMAP4rev1] The Microsoft Exchange IMAP4 service is ready.\r\n"
		caps  = "* CAPABILITY IMAP4rev1 IDLE\r\nT1 OK\r\n"
		in    = "T2 OK [CAPABILITY IMAP4rev1] done\r\n"
	)
	account := Account{User: "probe@example.org", Password: `Sec"ret\ 1`}
	tests := []struct {
		name    string
		account Account
		says    []string
		want    string // in the error; empty: success
	}{
		{"greeting", Account{}, []string{hello, caps, "* BYE\r\nT2 OK\r\n"}, ""},
		{"closes-at-logout", Account{}, []string{hello, caps, ""}, ""},
		{"says-bye-alone", Account{}, []string{hello, caps, "* BYE\r\n"}, ""},
		{"refuses-logout", Account{}, []string{hello, caps, "T2 BAD\r\n"}, ""},
		{"busy", Account{}, []string{"* BYE Connection limit reached\r\n"}, `greeting: want OK, got "BYE Connection limit reached"`},
		{"pop3", Account{}, []string{"+OK ready\r\n"}, `greeting: not IMAP: got "+OK ready"`},
		{"smtp", Account{}, []string{"220 cas1 ESMTP\r\n"}, `greeting: not IMAP: got "220 cas1 ESMTP"`},
		{"empty", Account{}, []string{"\r\n"}, `greeting: not IMAP: got ""`},
		{"no-capability", Account{}, []string{hello, "T1 BAD what?\r\n"}, `CAPABILITY: want OK, got "BAD what?"`},
		{"another-tag", Account{}, []string{hello, "T7 OK\r\n"}, `CAPABILITY: not IMAP: got "T7 OK"`},
		{"closes-at-capability", Account{}, []string{hello, ""}, "CAPABILITY: the server closed the connection"},
		{"login", account, []string{hello, caps, in, "T3 OK\r\n", "* BYE\r\nT4 OK\r\n"}, ""},
		{"known-already", account, []string{"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", caps, "* BYE\r\nT2 OK\r\n"}, ""},
		{"refused", account, []string{hello, caps, "T2 NO LOGIN failed.\r\n"}, `LOGIN: want OK, got "NO LOGIN failed."`},
		{"disabled", account, []string{hello, "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nT1 OK\r\n", "hang"}, "LOGIN: the server takes none on this connection (LOGINDISABLED)"},
		{"closes-at-login", account, []string{hello, caps, ""}, "LOGIN: the server closed the connection"},
		{"lost-mailbox", account, []string{hello, caps, in, "T3 NO [UNAVAILABLE] Server Unavailable. 15\r\n"}, `NOOP: want OK, got "NO [UNAVAILABLE] Server Unavailable. 15"`},
		{"odd-login", account, []string{hello, caps, "? ?\r\n"}, `LOGIN: not IMAP: got "? ?"`},
		{"flood", Account{}, []string{hello, "* CAPABILITY" + strings.Repeat(" X", 40000) + "\r\nT1 OK\r\n"}, `CAPABILITY: more than 65536 octets: "* CAPABILITY X X`},
		{"flood-of-lines", Account{}, []string{hello, strings.Repeat("* OK x\r\n", 20000) + "T1 OK\r\n"}, `CAPABILITY: more than 65536 octets: "* OK x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, &IMAPProbe{Endpoint: serve(t, script(tt.says...)), Account: tt.account}, tt.want)
		})
	}
}

func TestIMAPProbeCommands(t *testing.T) {
	probe := func(e *balance.Endpoint) Probe {
		return &IMAPProbe{Endpoint: e, Account: Account{User: `EXAMPLE\probe`, Password: `Sec"ret 1`}}
	}
	checkCommands(t, probe, "* OK [CAPABILITY IMAP4rev1] ready\r\n", func(line string) string {
		tag, rest, _ := strings.Cut(line, " ")
		return map[bool]string{true: "* CAPABILITY IMAP4rev1\r\n"}[strings.HasPrefix(rest, "CAPABILITY")] + tag + " OK [CAPABILITY IMAP4rev1] done\r\n"
	}, "T1 CAPABILITY\r\n"+`T2 LOGIN "EXAMPLE\\probe" "Sec\"ret 1"`+"\r\nT3 NOOP\r\nT4 LOGOUT\r\n")
}

func TestIMAPProbeBeginsTLS(t *testing.T) {
	for _, tt := range []struct {
		name string
		says []string
		want string
	}{
		{"no-greeting", []string{"* BYE busy\r\n"}, `greeting: want OK, got "* BYE busy"`},
		{"closes", []string{"* OK\r\n", ""}, "STARTTLS: the server closed the connection"},
		{"refused", []string{"* OK\r\n", "* OK patience\r\ncasbah NO not here\r\n"}, `STARTTLS: want OK, got "NO not here"`},
		{"odd", []string{"* OK\r\n", "what?\r\n"}, `STARTTLS: want OK, got "what?"`},
		{"not-tls", []string{"* OK\r\n", "casbah OK\r\n", "hello\r\n"}, "TLS: tls: first record does not look like a TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, &IMAPProbe{Endpoint: serve(t, script(tt.says...)), StartTLS: anyTLS}, tt.want)
		})
	}
}

// A server that repeats the password, in whatever letters, does not put it on the
// page or into the log.
func TestIMAPProbeHidesThePassword(t *testing.T) {
	for _, text := range []string{
		"T2 NO LOGIN probe Secret1", "T2 NO [SECRET1] x", "T2 BAD " + strings.Repeat("x", 122) + "Secret1",
		"? Secret1", "T2 XX Sec", "* X {9}\r\nSecret1xx",
	} {
		server := script("* OK [CAPABILITY IMAP4rev1] x\r\n", "* CAPABILITY IMAP4rev1\r\nT1 OK\r\n", text+map[bool]string{true: "", false: "\r\n"}[strings.HasSuffix(text, "Sec")])
		err := (&IMAPProbe{Endpoint: serve(t, server), Account: Account{User: "probe", Password: "Secret1"}}).Check(t.Context())
		if err == nil || strings.Contains(strings.ToLower(fmt.Sprintf("%v %+v %#v", err, err, err)), "ecret1") || strings.HasSuffix(err.Error(), `Sec"`) {
			t.Errorf("%q: Check() = %v", text, err)
		}
	}
}

// Nor does one that repeats it as the probe has quoted it.
func TestIMAPProbeHidesAQuotedPassword(t *testing.T) {
	for _, text := range []string{`T2 BAD what? LOGIN "probe" "Sec\"re\\t1"`, `? LOGIN "probe" "SEC\"RE\\T1"`} {
		server := script("* OK [CAPABILITY IMAP4rev1] x\r\n", "* CAPABILITY IMAP4rev1\r\nT1 OK\r\n", text+"\r\n")
		err := (&IMAPProbe{Endpoint: serve(t, server), Account: Account{User: "probe", Password: `Sec"re\t1`}}).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "an answer that holds the password") {
			t.Errorf("%q: Check() = %v; want nothing of the answer", text, err)
		}
	}
}

// FuzzIMAP has a server say anything.
func FuzzIMAP(f *testing.F) {
	for _, seed := range []string{
		"* OK [CAPABILITY IMAP4rev1] x\r\n* CAPABILITY IMAP4rev1\r\nT1 OK\r\nT2 OK [CAPABILITY IMAP4rev1]\r\nT3 OK\r\n* BYE\r\nT4 OK\r\n",
		"* OK\r\n* CAPABILITY\r\n", "* BYE no\r\n", "* PREAUTH x\r\nT1 NO x\r\n", "+ OK\r\n", "* 1 FETCH (BODY[] {99999999}\r\n", "* LIST ((((((\r\n",
		strings.Repeat("a", 3000), "\x00\xff\r\n", "* OK\r\n+ go on\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const hidden = "hIdDeN!"
		h := &heard{Conn: &deaf{says: in}, left: maxAnswer}
		s := &imapSession{heard: h, client: imapclient.New(h, nil)}
		defer s.client.Close()
		err := s.run(t.Context(), Account{User: "probe", Password: hidden})
		presentable(t, err)
		if err == nil && !strings.Contains(strings.ToUpper(string(in)), "OK") {
			t.Fatalf("%q was taken for a good session", in)
		}
		if err != nil && s.hidden() != "" && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hidden)) {
			t.Fatalf("the password is in %q", err)
		}
	})
}
