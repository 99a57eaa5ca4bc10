package pop3

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

func TestUpstream(t *testing.T) {
	const said = "STLS\r\n"
	const ready = "+OK The Microsoft Exchange POP3 service is ready.\r\n"
	dialoguetest.PlayUpstream(t, NewUpstream, []dialoguetest.UpstreamCase{
		{"exchange", []string{ready, "+OK Begin TLS negotiation.\r\n"}, said, ready, ""},
		{"refused", []string{ready, "-ERR no\r\n"}, said, "", "pop3: server: refuses STLS"},
		{"busy", []string{"-ERR [SYS/TEMP] busy\r\n"}, "", "", "pop3: server: greets with a refusal"},
		{"injected", []string{ready, "+OK\r\n+OK\r\n"}, said, "", "pop3: server: octets in clear ahead of TLS"},
		{"endless", []string{"+OK " + strings.Repeat("x", 8192)}, "", "", "pop3: server: line longer than 8192 octets before TLS"},
	})
}
