package dialoguetest

import (
	"testing"

	"casbah/internal/maildialogue"
)

// Upstream is what begins TLS towards a server.
type Upstream interface {
	FromServer(p []byte, e *maildialogue.Effect) (used int, err error)
	Greeting() []byte
}

// UpstreamCase is what a server says, one answer after the other, and what
// becomes of it. It has no name of its own, so that a line of a table is short.
type UpstreamCase = struct {
	Name     string
	Server   []string
	Said     string // towards the server
	Greeting string // for the client
	Err      string // empty: TLS begins
}

// PlayUpstream plays cases, each answer whole and octet by octet.
func PlayUpstream[U Upstream](t *testing.T, begin func() U, cases []UpstreamCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			for _, size := range []int{1 << 20, 1} {
				playUpstream(t, begin(), tt, size)
			}
		})
	}
}

func playUpstream(t *testing.T, u Upstream, tt UpstreamCase, size int) {
	t.Helper()
	var e maildialogue.Effect
	var failed string
	for _, text := range tt.Server {
		var unread []byte
		for rest := []byte(text); len(rest) > 0 && failed == ""; {
			n := min(size, len(rest))
			unread, rest = append(unread, rest[:n]...), rest[n:]
			used, err := u.FromServer(unread, &e)
			if err != nil {
				failed = err.Error()
			}
			unread = unread[used:]
		}
	}
	if failed != tt.Err {
		t.Fatalf("in pieces of %d: ends by %q; want %q", size, failed, tt.Err)
	}
	if failed == "" && !e.StartTLS {
		t.Fatalf("in pieces of %d: TLS does not begin", size)
	}
	if string(e.ToServer) != tt.Said || len(e.ToClient) > 0 {
		t.Errorf("in pieces of %d: says %q and to the client %q; want %q", size, e.ToServer, e.ToClient, tt.Said)
	}
	if got := string(u.Greeting()); failed == "" && got != tt.Greeting {
		t.Errorf("in pieces of %d: Greeting() = %q; want %q", size, got, tt.Greeting)
	}
}

// FuzzUpstream has a server say anything, beginning with seeds.
func FuzzUpstream[U Upstream](f *testing.F, begin func() U, said string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, server []byte) { fuzzUpstream(t, begin(), server, said) })
}

// fuzzUpstream has a server say anything in one piece: all that it hears is of
// said, in order, and TLS begins at the end of what it said, or not at all.
func fuzzUpstream(t *testing.T, u Upstream, server []byte, said string) {
	t.Helper()
	var e maildialogue.Effect
	used, err := u.FromServer(server, &e)
	switch {
	case used > len(server) || len(e.ToClient) > 0 || len(said) < len(e.ToServer) || said[:len(e.ToServer)] != string(e.ToServer):
		t.Fatalf("FromServer(%q) = %d, %v; %+v", server, used, err, e)
	case e.StartTLS && err == nil && (used != len(server) || len(e.ToServer) != len(said)):
		t.Fatalf("TLS begins behind %d octets of %q", used, server)
	case len(u.Greeting()) > maildialogue.MostLine:
		t.Fatalf("a greeting of %d octets is kept", len(u.Greeting()))
	}
}
