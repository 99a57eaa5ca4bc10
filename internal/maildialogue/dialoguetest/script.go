package dialoguetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"casbah/internal/maildialogue"

	"pgregory.net/rapid"
)

// step is a line of a script.
type step struct {
	mark string
	text string
}

// The marks of a script. A text in quotes is that of Go, without a line end.
const (
	clientSays = "C:"      // the client says it, and the server gets it
	clientOnly = "C!"      // the client says it, and the server does not get it
	serverSays = "S:"      // the server says it, and the client gets it
	serverOnly = "S!"      // the server says it, and the client does not get it
	clientGets = ">C"      // the client gets it of the relay
	serverGets = ">S"      // the server gets it of the relay
	secure     = "TLS"     // the handshake begins and ends here, and so many octets before it were dropped
	goodbye    = "GOODBYE" // whether there is a farewell at this point: yes or no
	fails      = "ERR"     // the session has ended by this error
	blind      = "BLIND"   // from here on octets pass unread
)

// parse reads a script: a mark and a text for each line; # begins a comment.
func parse(t *testing.T, script string) []step {
	t.Helper()
	var steps []step
	for line := range strings.Lines(script) {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), "\t")
		if line == "" || line[0] == '#' {
			continue
		}
		mark, text, _ := strings.Cut(line, " ")
		if strings.HasPrefix(text, `"`) {
			raw, err := strconv.Unquote(text)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			text = raw
		} else if len(mark) == 2 {
			text += "\r\n"
		}
		steps = append(steps, step{mark, text})
	}
	return steps
}

// Ways in which a relay is set.
var (
	Offers   = maildialogue.Options{Offer: true}                     // STARTTLS towards clients, a plain server
	OffersTo = maildialogue.Options{Offer: true, ServerSecure: true} // the same, TLS towards the server
	Offloads = maildialogue.Options{Offer: true, Secure: true}       // TLS of clients from the first octet, a plain server
	Watches  = maildialogue.Options{}
)

// Script is a session, told line by line. It has no name of its own, so that a
// line of a table is short.
type Script = struct {
	Name    string
	Options maildialogue.Options
	Text    string
}

// PlayAll plays scripts.
func PlayAll[D Dialogue](t *testing.T, begin func(maildialogue.Options) D, scripts []Script) {
	t.Helper()
	for _, s := range scripts {
		t.Run(s.Name, func(t *testing.T) {
			Play(t, func() Dialogue { return begin(s.Options) }, s.Text)
		})
	}
}

// Play plays a script line by line, octet by octet, in one piece for each turn
// and in pieces by chance: each is to have the same outcome, which the script
// tells. A farewell that is given ends a session, so it is asked for in one of
// its own.
func Play(t *testing.T, begin func() Dialogue, script string) {
	t.Helper()
	var steps []step
	for _, s := range parse(t, script) {
		if s.mark == goodbye && s.text == "yes" {
			playAll(t, begin, append(slices.Clip(steps), s))
			continue
		}
		steps = append(steps, s)
	}
	playAll(t, begin, steps)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 40)
		play(t, begin, merge(steps), func(n int) int { return min(n, size.Draw(rt, "size")) })
	})
}

func playAll(t *testing.T, begin func() Dialogue, steps []step) {
	t.Helper()
	play(t, begin, steps, func(n int) int { return n })
	play(t, begin, steps, func(int) int { return 1 })
	play(t, begin, merge(steps), func(n int) int { return n })
}

// merge joins what one side says in one turn, where all or nothing of it passes.
func merge(steps []step) []step {
	var out []step
	for _, s := range steps {
		if n := len(out); n > 0 && len(s.mark) == 2 && s.mark[0] != '>' && out[n-1].mark == s.mark {
			out[n-1].text += s.text
			continue
		}
		out = append(out, s)
	}
	return out
}

// longText is how much of a text is cut, from its end.
const longText = 100

// player plays one script in one way.
type player struct {
	t                    *testing.T
	s                    *Session
	toClient, toServer   strings.Builder
	handshakes, injected int
	failed               bool
	last                 byte // the side that spoke last
}

func play(t *testing.T, begin func() Dialogue, steps []step, cut func(int) int) {
	t.Helper()
	p := &player{t: t, s: NewSession(t, begin())}
	for i, s := range steps {
		at := fmt.Sprintf("step %d, %s %q", i+1, s.mark, s.text)
		if len(s.mark) != 2 || s.mark[0] == 'C' && p.last != 'C' {
			p.check(at)
		}
		p.last = s.mark[0]
		p.step(at, s, cut)
	}
	p.check("the end")
	if p.s.Err != nil && !p.failed {
		t.Fatalf("session ends by %v", p.s.Err)
	}
	if got := int(p.s.D.Injections()); got != p.injected {
		t.Fatalf("%d injections; want %d", got, p.injected)
	}
}

func (p *player) step(at string, s step, cut func(int) int) {
	p.t.Helper()
	switch s.mark {
	case clientSays:
		p.toServer.WriteString(s.text)
		p.say(s.text, p.s.Client, cut)
	case clientOnly:
		p.say(s.text, p.s.Client, cut)
	case serverSays:
		p.toClient.WriteString(s.text)
		p.say(s.text, p.s.Server, cut)
	case serverOnly:
		p.say(s.text, p.s.Server, cut)
	case clientGets:
		p.toClient.WriteString(s.text)
	case serverGets:
		p.toServer.WriteString(s.text)
	case secure:
		p.secure(at, s.text)
	case goodbye:
		p.goodbye(at, s.text == "yes")
	case fails:
		if p.failed = true; p.s.Err == nil || p.s.Err.Error() != s.text {
			p.t.Fatalf("%s: %v", at, p.s.Err)
		}
	case blind:
		if !p.s.Blind {
			p.t.Fatalf("%s: octets are still read", at)
		}
	default:
		p.t.Fatalf("%s: no such mark", at)
	}
}

func (p *player) say(text string, to func([]byte), cut func(int) int) {
	for rest := []byte(text); len(rest) > 0; {
		n := cut(len(rest))
		if len(rest) > longText {
			n = len(rest) - longText // what fills a buffer to its limit comes in one piece up to there
		}
		to(rest[:n])
		rest = rest[n:]
	}
}

func (p *player) secure(at, dropped string) {
	p.t.Helper()
	if p.handshakes++; p.s.TLS != p.handshakes {
		p.t.Fatalf("%s: %d handshakes", at, p.s.TLS)
	}
	if dropped == "" {
		dropped = "0"
	}
	if got := strconv.Itoa(p.s.dropped); got != dropped {
		p.t.Fatalf("%s: %s octets dropped", at, got)
	}
	if p.s.dropped > 0 {
		p.injected++
	}
	p.s.Secure()
}

// goodbye asks for a farewell; one that is given ends the session.
func (p *player) goodbye(at string, want bool) {
	p.t.Helper()
	out, ok := p.s.D.Goodbye([]byte("so far\r\n"))
	if text, begun := strings.CutPrefix(string(out), "so far\r\n"); ok != want || !begun || ok != (text != "") {
		p.t.Fatalf("%s: Goodbye() = %q, %v", at, out, ok)
	}
	if !ok {
		return
	}
	if _, again := p.s.D.Goodbye(nil); again {
		p.t.Fatalf("%s: a second farewell", at)
	}
}

// check compares what both sides have got with what the script tells.
func (p *player) check(at string) {
	p.t.Helper()
	if got, want := string(p.s.ToClient), p.toClient.String(); got != want {
		p.t.Fatalf("before %s: the client got\n%q\nwant\n%q", at, got, want)
	}
	if got, want := string(p.s.ToServer), p.toServer.String(); got != want {
		p.t.Fatalf("before %s: the server got\n%q\nwant\n%q", at, got, want)
	}
}
