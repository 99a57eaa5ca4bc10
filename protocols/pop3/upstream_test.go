package pop3

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

func TestUpstream(t *testing.T) {
	const said = "STLS\r\n"
	const ready = "+OK The Microsoft Exchange POP3 service is ready.\r\n"
	dialoguetest.PlayUpstream(t, func() dialoguetest.Upstream { return NewUpstream() }, []dialoguetest.UpstreamCase{
		{"exchange", []string{ready, "+OK Begin TLS negotiation.\r\n"}, said, ready, ""},
		{"refused", []string{ready, "-ERR no\r\n"}, said, "", "pop3: server: refuses STLS"},
		{"busy", []string{"-ERR [SYS/TEMP] busy\r\n"}, "", "", "pop3: server: greets with a refusal"},
		{"injected", []string{ready, "+OK\r\n+OK\r\n"}, said, "", "pop3: server: octets behind the response to STLS"},
		{"endless", []string{"+OK " + strings.Repeat("x", 508)}, "", "", "pop3: server: greeting longer than 512 octets"},
	})
}
