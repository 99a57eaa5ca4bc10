package pop3

import (
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

// FuzzDialogue has both sides say anything, in any pieces.
func FuzzDialogue(f *testing.F) {
	const server = "+OK ready\r\n+OK\r\nSTLS\r\nUSER\r\nSASL PLAIN NTLM\r\n.\r\n+OK\r\nNTLM\r\nPLAIN\r\n.\r\n+ \r\n+ TlRM\r\n+OK\r\n" +
		"+OK 3\r\n..\r\n.x\r\n.\r\n-ERR\r\n+OK bye\r\n"
	const client = "CAPA\r\nAUTH\r\nAUTH NTLM\r\nTlRM\r\nTlRM\r\nRETR 1\r\nLIST\r\nSTLS\r\nUSER alice\r\nQUIT\r\n"
	dialoguetest.FuzzDialogue(f, New, []dialoguetest.Talk{
		{client, server, []byte{20, 11, 84, 11, 54, 23, 8, 13, 254, 255, 254, 255}},
		{"STLS\r\nUSER alice\r\nCAPA\r\n", server, []byte{20, 25, 254, 200}},
		{"LIST\r\nUIDL 1\r\nRETR 1\r\nQUIT\r\n", "+OK\r\n+OK\r\n.\r\n+OK\r\n+OK\r\n\r\n.\r\n-ERR\r\n", []byte{8, 255}},
		{"CAPA\rUSER alice\n", "-ERR\r\n+", []byte{}},
	})
}

// FuzzUpstream has a server say anything: what it is answered is known.
func FuzzUpstream(f *testing.F) {
	dialoguetest.FuzzUpstream(f, NewUpstream, "STLS\r\n",
		"+OK ready\r\n+OK go\r\n",
		"+OK ready\r\n-ERR\r\n",
		"+OK ready\r\n+OK go\r\n+OK\r\n",
	)
}
