package smtp

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

func TestUpstream(t *testing.T) {
	const (
		hello = "EHLO lb.example.org\r\n"
		said  = hello + "STARTTLS\r\n"
		list  = "250-cas1\r\n250-STARTTLS\r\n250 SIZE\r\n"
	)
	dialoguetest.PlayUpstream(t, func() *Upstream { return NewUpstream("lb.example.org") }, []dialoguetest.UpstreamCase{
		{"exchange", []string{"220-cas1\r\n220 ready\r\n", list, "220 2.0.0 SMTP server ready\r\n"}, said, "220-cas1\r\n220 ready\r\n", ""},
		{"not-offered", []string{"220 STARTTLS\r\n", "250-STARTTLS\r\n250 X-STARTTLS\r\n"}, hello, "", "smtp: server: does not offer STARTTLS"},
		{"refused", []string{"220 ready\r\n", list, "454 4.7.0 not now\r\n"}, said, "", "smtp: server: refuses STARTTLS"},
		{"no-ehlo", []string{"220 ready\r\n", "502 what?\r\n"}, hello, "", "smtp: server: refuses EHLO"},
		{"greets-with-421", []string{"421 too many\r\n"}, "", "", "smtp: server: greets with a refusal"},
		{"no-smtp", []string{"* OK ready\r\n"}, "", "", "smtp: server: line that is no reply"},
		{"injected", []string{"220 ready\r\n", list, "220 go\r\n250 ok\r\n"}, said, "", "smtp: server: octets in clear ahead of TLS"},
		{"endless-line", []string{"220 " + strings.Repeat("x", 8192)}, "", "", "smtp: server: line longer than 8192 octets before TLS"},
		{"endless-greeting", []string{strings.Repeat("220-x\r\n", 1171)}, "", "", "smtp: server: more than 1000 lines before TLS"},
		{"long-greeting", []string{strings.Repeat("220-ten and six\r\n", 600)}, "", "", "smtp: server: greeting longer than 8192 octets"},
		{"endless-list", []string{"220 ready\r\n", strings.Repeat("250-x\r\n", 1001)}, hello, "", "smtp: server: more than 1000 lines before TLS"},
	})
}
