package maildialogue

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLines(t *testing.T) {
	tests := []struct {
		name, text string
		line       string
		long       bool
	}{
		{"none", "", "", false},
		{"part", "abc", "", false},
		{"crlf", "abc\r\ndef", "abc\r\n", false},
		{"lf", "abc\ndef", "abc\n", false},
		{"at-limit-1", "1234567\n", "1234567\n", false},
		{"at-limit", "12345678\n", "12345678\n", false},
		{"over-limit", "123456789\n", "123456789\n", true},
		{"part-below-limit", "12345678", "", false},
		{"part-at-limit", "123456789", "", true}, // its end would be one more
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var whole, single Lines
			line, long := whole.Next([]byte(tt.text), 9)
			if string(line) != tt.line || long != tt.long {
				t.Errorf("Next(%q) = %q, %v; want %q, %v", tt.text, line, long, tt.line, tt.long)
			}
			for i := range len(tt.text) + 1 {
				if line, long = single.Next([]byte(tt.text[:i]), 9); line != nil || long {
					break
				}
			}
			if long != tt.long || !long && string(line) != tt.line {
				t.Errorf("octet by octet Next(%q) = %q, %v; want %q, %v", tt.text, line, long, tt.line, tt.long)
			}
		})
	}
}

func TestClean(t *testing.T) {
	tests := []struct {
		line, text string
		ok         bool
	}{
		{"a\r\n", "a", true},
		{"\r\n", "", true},
		{"a\n", "", false},
		{"\n", "", false},
		{"a\rb\r\n", "", false},
		{"a\r\r\n", "", false},
		{"\ra\n", "", false},
	}
	for _, tt := range tests {
		if text, ok := Clean([]byte(tt.line)); string(text) != tt.text || ok != tt.ok {
			t.Errorf("Clean(%q) = %q, %v; want %q, %v", tt.line, text, ok, tt.text, tt.ok)
		}
	}
}

// TestBody compares with a search in the whole, in any pieces.
func TestBody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"\r\n", "\r", "\n", ".", "x", "\r\n."}), 0, 30).Draw(rt, "text"), "")
		want := strings.Index("\r\n"+text, "\r\n.\r\n")
		if want >= 0 {
			want += len(".\r\n")
		}
		var b Body
		got := 0
		for rest := []byte(text); len(rest) > 0; {
			piece := rest[:rapid.IntRange(1, len(rest)).Draw(rt, "piece")]
			n, done := b.Scan(piece)
			got += n
			if done {
				if got != want || b != 0 {
					rt.Fatalf("%q ends behind %d; want %d", text, got, want)
				}
				return
			}
			if n != len(piece) {
				rt.Fatalf("Scan(%q) = %d", piece, n)
			}
			rest = rest[n:]
		}
		if want >= 0 {
			rt.Fatalf("%q does not end; want %d", text, want)
		}
	})
}

func TestNumber(t *testing.T) {
	tests := []struct {
		text string
		n    int64
		ok   bool
	}{
		{"0", 0, true},
		{"4096", 4096, true},
		{"007", 7, true},
		{"9223372036854775799", 9223372036854775799, true},
		{"9223372036854775808", 0, false},
		{"99999999999999999999999", 0, false},
		{"", 0, false},
		{"-1", 0, false},
		{"1a", 0, false},
		{" 1", 0, false},
	}
	for _, tt := range tests {
		if n, ok := Number([]byte(tt.text)); ok != tt.ok || ok && n != tt.n {
			t.Errorf("Number(%q) = %d, %v; want %d, %v", tt.text, n, ok, tt.n, tt.ok)
		}
	}
}

func TestRevealsSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"PLAIN": true, "plain": true, "PLAIN-CLIENTTOKEN": true, "LOGIN": true, "XOAUTH2": true, "OAUTHBEARER": true,
		"": true, "\"PLAIN\"": true, "PLA\x00IN": true, "{5}": true,
		"NTLM": false, "GSSAPI": false, "CRAM-MD5": false, "SCRAM-SHA-256": false, "SCRAM-SHA-1-PLUS": false, "EXTERNAL": false,
	} {
		if got := RevealsSecret([]byte(name)); got != want {
			t.Errorf("RevealsSecret(%q) = %v; want %v", name, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	word, rest := Word([]byte(" \ta b\tc "))
	if string(word) != "a" || string(rest) != " b\tc " {
		t.Errorf("Word() = %q, %q", word, rest)
	}
	if word, rest = Word([]byte("  ")); len(word) > 0 || len(rest) > 0 {
		t.Errorf("Word() of blanks = %q, %q", word, rest)
	}
	// U+017F and U+212A are S and K in another case to Unicode, not to a server.
	for _, word := range []string{"ſTLS", "STL", "STLSX", "STL\x53\x00"} {
		if Is([]byte(word), "STLS") {
			t.Errorf("%q is STLS", word)
		}
	}
	if !Is([]byte("sTlS"), "STLS") || !HasPrefix([]byte("auth=plain"), "AUTH=") {
		t.Error("case counts")
	}
	long := bytes.Repeat([]byte("a"), MostVerb+1)
	if got := Upper(nil, long); len(got) > 0 {
		t.Errorf("Upper() of %d octets = %q", len(long), got)
	}
	if got := Upper(nil, long[1:]); string(got) != strings.Repeat("A", MostVerb) {
		t.Errorf("Upper() of %d octets = %q", MostVerb, got)
	}
}

func TestQueue(t *testing.T) {
	var q Queue
	for round := range 3 {
		for i := range MostQueued {
			if q.Full() {
				t.Fatalf("full at %d", i)
			}
			q.Push(uint8(i))
		}
		if !q.Full() || !q.Has(MostQueued-1) || q.Has(MostQueued) {
			t.Fatalf("round %d: %+v", round, q)
		}
		for i := range MostQueued {
			if q.Empty() || q.First() != uint8(i) {
				t.Fatalf("first = %d; want %d", q.First(), i)
			}
			q.Pop()
		}
		if !q.Empty() || q.Has(0) {
			t.Fatalf("round %d: %+v", round, q)
		}
		q.Push(0)
		q.Pop()
	}
}

func TestErrorsSayWhoAndWhat(t *testing.T) {
	client := &ProtocolError{Protocol: "imap4", Text: "what"}
	server := &ProtocolError{Protocol: "imap4", Server: true, Text: "what"}
	if client.Error() != "imap4: client: what" || server.Error() != "imap4: server: what" {
		t.Errorf("%v, %v", client, server)
	}
}

// FuzzLines finds the same lines in one piece and octet by octet.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\n\nbc\rd\n"), 4)
	f.Add([]byte("abcdefgh"), 8)
	f.Fuzz(func(t *testing.T, text []byte, most int) {
		most = max(1, most%64)
		var whole, single Lines
		line, long := whole.Next(text, most)
		if line != nil && (!bytes.HasPrefix(text, line) || bytes.IndexByte(line, '\n') != len(line)-1) {
			t.Fatalf("Next(%q) = %q", text, line)
		}
		for i := 1; i <= len(text); i++ {
			l, tooLong := single.Next(text[:i], most)
			if tooLong != (long && i >= most) || l != nil && !bytes.Equal(l, line) {
				t.Fatalf("Next(%q) = %q, %v at %d; in one piece %q, %v", text, l, tooLong, i, line, long)
			}
			if l != nil || tooLong {
				return
			}
		}
	})
}
