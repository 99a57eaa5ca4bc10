package dialoguetest

import (
	"testing"

	"casbah/internal/maildialogue"
)

// mostState is how much a session may hold, in octets.
const mostState = 300

// Line is what one side says.
type Line struct {
	Client bool
	Text   []byte
}

// C is a line of the client, S one of the server.
func C(text string) Line { return Line{true, []byte(text)} }

// S is a line of the server.
func S(text string) Line { return Line{false, []byte(text)} }

// Memory checks that a session holds little, and that lines cost nothing: d,
// which has a size, hears the greeting once and the rest again and again.
func Memory(t *testing.T, d Dialogue, size uintptr, greeting Line, rest ...Line) {
	t.Helper()
	if size >= mostState {
		t.Errorf("a session holds %d octets", size)
	}
	var e maildialogue.Effect
	hear := func(l Line) {
		e.Reset()
		offer, pass := d.FromServer, &e.PassServer
		if l.Client {
			offer, pass = d.FromClient, &e.PassClient
		}
		if used, err := offer(l.Text, &e); used+int(*pass) != len(l.Text) || err != nil {
			t.Fatalf("%q: %d used and %d pass, %v", l.Text, used, *pass, err)
		}
	}
	hear(greeting)
	round := func() {
		for _, l := range rest {
			hear(l)
		}
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for a round", n)
	}
}
