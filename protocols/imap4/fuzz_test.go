package imap4

import (
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

// FuzzDialogue has both sides say anything, in any pieces.
func FuzzDialogue(f *testing.F) {
	const server = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN LITERAL+] ready\r\n" +
		"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n+ go\r\nb OK\r\n* 1 FETCH (X {3}\r\nabc Y {0}\r\n)\r\nc OK\r\n+ idling\r\nd OK\r\ne OK deflated\r\n"
	const client = "a CAPABILITY\r\nb AUTHENTICATE NTLM\r\nTlRM\r\nc UID FETCH 1:* (X Y)\r\nd IDLE\r\nDONE\r\ne COMPRESS DEFLATE\r\nf STARTTLS\r\n"
	dialoguetest.FuzzDialogue(f, New, []dialoguetest.Talk{
		{client, server, []byte{254, 25, 254, 200, 201, 200, 201, 200, 255, 255, 254, 254}},
		{"a STARTTLS\r\nb NOOP\r\nc CAPABILITY\r\n", server, []byte{254, 25, 254, 200}},
		{"a LOGIN {5}\r\nalice {6+}\r\nsecret\r\nb X ({3+}\r\nabc)\r\n", "* OK\r\n+ go\r\na OK\r\nb OK\r\n", []byte{12, 25, 12, 255}},
		{"a STARTTLS\rb LOGIN alice secret\n", "* PREAUTH [CAPABILITY\r\n", []byte{}},
		{"a LOGIN {2147483648}\r\n", "* OK\r\n", []byte{12}},
	})
}

// FuzzUpstream has a server say anything: what it is answered is known.
func FuzzUpstream(f *testing.F) {
	dialoguetest.FuzzUpstream(f, NewUpstream, "casbah STARTTLS\r\n",
		"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\ncasbah OK go\r\n",
		"* OK ready\r\n* BYE\r\n",
		"* PREAUTH [CAPABILITY\r\n",
	)
}
