package imap4

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue"
	"casbah/internal/maildialogue/dialoguetest"
)

// Lines behind a long one that came in pieces are read one by one, however much
// comes at once: none of them is taken for a part of another.
func TestLinesBehindALongOne(t *testing.T) {
	d := New(dialoguetest.Offloads)
	s := dialoguetest.NewSession(t, d)
	s.Server([]byte("* OK ready\r\n"))
	s.Client([]byte("a UID SEARCH ALL\r\nb NOOP\r\nc UID FETCH 1:* (FLAGS)\r\n"))
	begin := "* SEARCH" + strings.Repeat(" 4711", maildialogue.MostLine/len(" 4711")+1)
	rest := " 4712\r\na OK SEARCH completed.\r\nb OK NOOP completed.\r\n" +
		strings.Repeat("* 1 FETCH (FLAGS (\\Seen) UID 4711)\r\n", 2*len(begin)/30) + "c OK FETCH completed.\r\n"
	s.Server([]byte(begin))
	s.Server([]byte(rest))
	if want := "* OK ready\r\n" + begin + rest; string(s.ToClient) != want {
		t.Fatalf("the client got %d octets; want the %d that were said", len(s.ToClient), len(want))
	}
	if d.open != 0 || !d.rests() {
		t.Errorf("%d commands wait for an answer that has passed", d.open)
	}
}
