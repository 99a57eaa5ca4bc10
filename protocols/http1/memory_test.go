package http1

import (
	"strings"
	"testing"
	"time"

	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// waitingBytes is how much memory a connection may take, in octets, that waits for
// an answer which comes within the hour, its connection to a server included.
const waitingBytes = 1900

// ping is what a phone asks for up to 59 minutes.
const ping = "POST /Microsoft-Server-ActiveSync?Cmd=Ping&User=EXAMPLE%5Calice&DeviceId=androidc1234567890&DeviceType=Android HTTP/1.1\r\n" +
	"Host: mail.example.org\r\nAuthorization: Basic ZXhhbXBsZVxhbGljZTpzZWNyZXQgb2YgYWxpY2U=\r\nMS-ASProtocolVersion: 14.1\r\n" +
	"X-MS-PolicyKey: 3942919513\r\nUser-Agent: Android-Mail/2026.10.18\r\nConnection: keep-alive\r\nAccept: */*\r\n" +
	"Accept-Language: de-DE\r\nAccept-Encoding: gzip\r\nContent-Type: application/vnd.ms-sync.wbxml\r\n" +
	"Cookie: X-BackEndCookie=S-1-5-21-1234567890-1234567890-123456789-1234=u56Lnp2ejJqBy5qazJuemZmSy8vHmdLL; ActiveSync=0123456789abcdef\r\n" +
	"Content-Length: 13\r\n\r\n\x03\x01j\x00\x00\x0dEH\x0360\x00\x01\x01"

// waitingMemory returns how many octets each of many cores takes while it waits
// for an answer: when it begins, and after shedAfter.
func waitingMemory(tb testing.TB, s *site) (begins, waits float64) {
	tb.Helper()
	const n = 5000
	d := new(sink)
	in := []byte(ping)
	cores := make([]engine.Core, n)
	before := heapBytes()
	per := func() float64 { return float64(int64(heapBytes()-before)) / n }
	for i := range cores {
		c := New(&s.cur, s.conn)
		c.Tick(epoch, engine.Deadline, d)
		used := c.Bytes(epoch, engine.Client, in, d)
		c.Dialed(epoch, 1, false, nil, d)
		c.Bytes(epoch, engine.Client, in[used:], d)
		cores[i] = c
	}
	begins = per()
	for _, c := range cores {
		c.Tick(epoch+shedAfter, engine.Deadline, d)
	}
	waits = per()
	for _, c := range cores { // they live until here
		if c, _ := c.(*Conn); c.x == nil || c.x.sent == 0 || !c.x.request.done {
			tb.Fatalf("does not wait: %+v", c)
		}
	}
	return begins, waits
}

func TestWaitingConnectionTakesLittleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.vip.Log = nil
	s.profile("owa").Paths = []string{"/microsoft-server-activesync"}
	begins, waits := waitingMemory(t, s)
	t.Logf("%.0f octets for each connection that begins to wait, %.0f after %v", begins, waits, time.Duration(shedAfter))
	if waits > waitingBytes {
		t.Errorf("a connection that waits takes %.0f octets; want at most %d", waits, waitingBytes)
	}
}

// shed lets f wait until its request's head is shed, or would be, and overwrites
// what it was in by other requests.
func shed(t *testing.T, s *site, f *fake, want bool) {
	t.Helper()
	f.pass(time.Duration(shedAfter))
	c, _ := f.core.(*Conn)
	if got := c.x.memory == nil; got != want {
		t.Fatalf("shed %v after %v; want %v", got, time.Duration(shedAfter), want)
	}
	for range 4 {
		other := s.open(t)
		other.fromClient("PUT /owa/" + strings.Repeat("#", 2000) + " HTTP/1.1\r\nHost: " + strings.Repeat("z", 200) + "\r\n\r\n")
	}
}

func TestShedHeadIsStillRecorded(t *testing.T) {
	const head = "POST /owa/ev.owa?x=1 HTTP/1.1\r\nHost: Mail.example.org\r\nAccept: text/html\r\nContent-Length: 2\r\n\r\nhi"
	t.Run("answered", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(head)
		shed(t, s, f, true)
		f.reply(ok)
		f.fromClient(head) // the connection goes on
		f.reply(ok)
		if got, want := f.client().take(), ok+ok; got != want {
			t.Errorf("the client got %q; want %q", got, want)
		}
		for _, r := range s.records[len(s.records)-2:] {
			if string(r.Method) != "POST" || string(r.Host) != "Mail.example.org" || string(r.Path) != "/owa/ev.owa" || r.Status != 200 {
				t.Errorf("record: %s %s %s, %d", r.Method, r.Host, r.Path, r.Status)
			}
		}
	})
	for _, html := range []bool{true, false} {
		t.Run(map[bool]string{true: "timed-out-browser", false: "timed-out-other"}[html], func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			if html {
				f.fromClient(head)
			} else {
				f.fromClient(strings.Replace(head, "text/html", "*/*", 1))
			}
			shed(t, s, f, true)
			f.pass(time.Minute)
			if got := f.client().take(); !strings.HasPrefix(got, "HTTP/1.1 504 ") || strings.Contains(got, "<h1>") != html {
				t.Errorf("the client got %q; want 504, with HTML: %v", got, html)
			}
		})
	}
	t.Run("tunnel", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("GET /owa/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		f.reply("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		shed(t, s, f, true)
		f.client().take()
		f.reply("frame")
		if got := f.client().take(); got != "frame" {
			t.Errorf("the client got %q; want frame", got)
		}
		f.end(f.last(), nil)
		f.end(f.client(), nil)
		if r := s.record(t); string(r.Path) != "/owa/socket" || r.End != route.EndDone {
			t.Errorf("record: %s, %v", r.Path, r.End)
		}
	})
}

// A request that may be sent once more keeps its head for that.
func TestRetryableHeadIsKept(t *testing.T) {
	s := newSite(t)
	f := s.served(t)
	f.fromClient(get) // on a connection that was used before: it may be dead
	sent := f.last().take()
	shed(t, s, f, false)
	first := f.last()
	f.end(first, errReset)
	if again := f.last().take(); f.last() == first || again == "" || again != sent {
		t.Error("the request was not sent again as it was")
	}
	shed(t, s, f, true)
	f.reply(ok)
	if got := f.client().take(); got != ok {
		t.Errorf("the client got %q; want %q", got, ok)
	}
}
