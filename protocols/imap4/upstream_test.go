package imap4

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

func TestUpstream(t *testing.T) {
	const said = "casbah STARTTLS\r\n"
	dialoguetest.PlayUpstream(t, NewUpstream, []dialoguetest.UpstreamCase{
		{"exchange", []string{"* OK The Microsoft Exchange IMAP4 service is ready.\r\n", "casbah OK Begin TLS negotiation now.\r\n"}, said, "* OK The Microsoft Exchange IMAP4 service is ready.\r\n", ""},
		{"dovecot", []string{"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Dovecot ready.\r\n", "* OK by the way\r\ncasbah OK Begin TLS.\r\n"}, said, "* OK Dovecot ready.\r\n", ""},
		{"refused", []string{"* OK ready\r\n", "casbah BAD what?\r\n"}, said, "", "imap4: server: refuses STARTTLS"},
		{"bye", []string{"* BYE too many\r\n"}, "", "", "imap4: server: greets with a refusal"},
		{"bye-later", []string{"* OK ready\r\n", "* BYE too slow\r\n"}, said, "", "imap4: server: refuses STARTTLS"},
		{"preauth", []string{"* PREAUTH hello\r\n"}, "", "", "imap4: server: greets with PREAUTH, behind which there is no STARTTLS"},
		{"no-imap", []string{"+OK ready\r\n"}, "", "", "imap4: server: greeting that is none"},
		{"injected", []string{"* OK ready\r\n", "casbah OK go\r\n* CAPABILITY AUTH=PLAIN\r\n"}, said, "", "imap4: server: octets in clear ahead of TLS"},
		{"endless-greeting", []string{"* OK " + strings.Repeat("x", 8192)}, "", "", "imap4: server: line longer than 8192 octets before TLS"},
		{"endless-line", []string{"* OK ready\r\n", "* OK " + strings.Repeat("x", 8192)}, said, "", "imap4: server: line longer than 8192 octets before TLS"},
		{"endless", []string{"* OK ready\r\n", strings.Repeat("* 1 EXISTS\r\n", 1001)}, said, "", "imap4: server: more than 1000 lines before TLS"},
	})
}

// The greeting that an Upstream has read begins the session of the client.
func TestGreetingIsPassedOnce(t *testing.T) {
	u := NewUpstream()
	var e Effect
	if _, err := u.FromServer([]byte("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"), &e); err != nil {
		t.Fatal(err)
	}
	if _, err := u.FromServer([]byte("casbah OK go\r\n"), &e); err != nil || !e.StartTLS {
		t.Fatalf("%+v, %v", e, err)
	}
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{{"session", dialoguetest.OffersTo, `
		S: ` + strings.TrimSuffix(string(u.Greeting()), "\r\n") + `
		C: a CAPABILITY
		S! * CAPABILITY IMAP4rev1 AUTH=PLAIN
		>C * CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED
		S: a OK
	`}})
}
