package smtp

import (
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

// FuzzDialogue has both sides say anything, in any pieces.
func FuzzDialogue(f *testing.F) {
	const server = "220 ready\r\n250-cas1\r\n250-AUTH NTLM LOGIN\r\n250-CHUNKING\r\n250 STARTTLS\r\n334 go\r\n235 ok\r\n" +
		"250 ok\r\n354 go\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n220 go\r\n"
	const client = "EHLO a\r\nAUTH NTLM\r\nTlRM\r\nMAIL FROM:<>\r\nDATA\r\n..\r\n.\r\nBDAT 5\r\nQUIT\nXEXCH50 3 2\r\nabcX-ANONYMOUSTLS\r\nSTARTTLS\r\nEHLO b\r\n"
	dialoguetest.FuzzDialogue(f, New, []dialoguetest.Talk{
		{client, server, []byte{20, 15, 120, 21, 14, 11, 14, 255, 254, 255, 254}},
		{"STARTTLS\r\nMAIL FROM:<>\r\nEHLO a\r\nAUTH PLAIN x\r\n", server, []byte{20, 25, 254, 200}},
		{"DATA\r\n.\r\nEHLO a\r\n", "220 a\r\n354\r\n250\r\n250-STARTTLS\r\n250 AUTH=LOGIN\r\n", []byte{12, 15, 12, 255}},
		{"EHLO a\rAUTH PLAIN x\n", "220 a\r\n250-\r\n250", []byte{}},
	})
}

// FuzzUpstream has a server say anything: what it is answered is known.
func FuzzUpstream(f *testing.F) {
	dialoguetest.FuzzUpstream(f, func() *Upstream { return NewUpstream("lb") }, "EHLO lb\r\nSTARTTLS\r\n",
		"220 ready\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n",
		"220-ready\r\n250 a\r\n",
		"220 ready\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n250 ok\r\n",
	)
}
