package dialoguetest

import (
	"bytes"
	"fmt"
	"testing"

	"casbah/internal/maildialogue"
)

// op is a piece that one side says.
type op struct {
	client bool
	text   []byte
}

// Talk is what both sides say, cut by a plan: of each of its octets the lowest
// bit is the side, the others are how much it says. It has no name of its own, so
// that a line of a table is short.
type Talk = struct {
	Client, Server string
	Plan           []byte
}

type talk struct{ client, server, plan []byte }

func (k talk) ops() []op {
	client, server := k.client, k.server
	var out []op
	for _, b := range k.plan {
		from := &server
		if b&1 == 1 {
			from = &client
		}
		n := min(int(b>>1)+1, len(*from))
		if n > 0 {
			out = append(out, op{b&1 == 1, (*from)[:n]})
			*from = (*from)[n:]
		}
	}
	return append(out, op{true, client}, op{false, server})
}

// FuzzDialogue has both sides say anything, in any pieces and with the relay set
// in any way, beginning with seeds.
func FuzzDialogue[D Dialogue](f *testing.F, begin func(maildialogue.Options) D, seeds []Talk) {
	for chance := range byte(8) {
		for _, s := range seeds {
			f.Add([]byte(s.Client), []byte(s.Server), s.Plan, chance)
		}
	}
	f.Fuzz(func(t *testing.T, client, server, plan []byte, chance byte) {
		o := maildialogue.Options{Offer: chance&1 > 0, Secure: chance&2 > 0, ServerSecure: chance&4 > 0}
		fuzz(t, func() Dialogue { return begin(o) }, o.Offer, talk{client, server, plan})
	})
}

// fuzz plays a talk in pieces, and the same octet by octet, and
// checks what holds for any dialogue: the same outcome, nothing of the client
// but what it said, in order, and behind a handshake nothing from before it;
// without Offer, every octet as it was.
func fuzz(t *testing.T, begin func() Dialogue, offer bool, k talk) {
	t.Helper()
	whole := NewSession(t, begin())
	single := NewSession(t, begin())
	mark := 0 // in what the server got, at the last handshake
	var fresh []byte
	for _, o := range k.ops() {
		if whole.handshake {
			mark, fresh = len(whole.ToServer), nil
		}
		whole.Secure()
		single.Secure()
		if o.client {
			fresh = append(fresh, o.text...)
			whole.Client(o.text)
			for i := range o.text {
				single.Client(o.text[i : i+1])
			}
		} else {
			whole.Server(o.text)
			for i := range o.text {
				single.Server(o.text[i : i+1])
			}
		}
		same(t, whole, single)
		if !subsequence(whole.ToServer[mark:], fresh) {
			t.Fatalf("the server got %q since the handshake, of a client that said %q", whole.ToServer[mark:], fresh)
		}
	}
	if !offer {
		unchanged(t, whole, k)
	}
	if _, ok := whole.D.Goodbye(nil); ok && len(whole.ToClient) > 0 && !bytes.HasSuffix(whole.ToClient, []byte("\n")) {
		t.Fatalf("a farewell behind %q", whole.ToClient)
	}
}

func same(t *testing.T, a, b *Session) {
	t.Helper()
	if !bytes.Equal(a.ToClient, b.ToClient) {
		t.Fatalf("the client got %q, and octet by octet %q", a.ToClient, b.ToClient)
	}
	if !bytes.Equal(a.ToServer, b.ToServer) {
		t.Fatalf("the server got %q, and octet by octet %q", a.ToServer, b.ToServer)
	}
	if fmt.Sprint(a.Err) != fmt.Sprint(b.Err) || a.TLS != b.TLS || a.Blind != b.Blind {
		t.Fatalf("%v, %d handshakes, blind: %v; octet by octet %v, %d, %v", a.Err, a.TLS, a.Blind, b.Err, b.TLS, b.Blind)
	}
}

func unchanged(t *testing.T, s *Session, k talk) {
	t.Helper()
	if s.Err != nil || s.TLS > 0 || !bytes.HasPrefix(k.client, s.ToServer) || !bytes.HasPrefix(k.server, s.ToClient) {
		t.Fatalf("%q and %q became %q and %q; %v, %d handshakes", k.client, k.server, s.ToServer, s.ToClient, s.Err, s.TLS)
	}
}

func subsequence(sub, of []byte) bool {
	for _, c := range sub {
		i := bytes.IndexByte(of, c)
		if i < 0 {
			return false
		}
		of = of[i+1:]
	}
	return true
}
