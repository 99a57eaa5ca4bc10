package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPatternDoesNotDependOnPieces(t *testing.T) {
	whole := make([]byte, 10000)
	newPattern(7, downward).fill(whole)
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := newPattern(7, downward)
	for left := whole; len(left) > 0; {
		n := 1 + rng.IntN(min(len(left), 50))
		if diff := pieces.check(left[:n]); diff != nil {
			t.Fatalf("check of a piece: %v", diff)
		}
		left = left[n:]
	}
}

func TestPatternFindsWhatIsWrong(t *testing.T) {
	body, other := make([]byte, 9000), make([]byte, 9000)
	newPattern(7, downward).fill(body)
	newPattern(8, upward).fill(other)
	swapped := append(append([]byte(nil), body[:5000]...), other[100:4100]...)
	flipped := append([]byte(nil), body...)
	flipped[8999] ^= 1
	missing := append(append([]byte(nil), body[:300]...), body[310:]...)
	tests := []struct {
		name string
		body []byte
		want []string // that the text holds
	}{
		{"one-octet", flipped, []string{"octet 8999 is wrong"}},
		{"octets-missing", missing, []string{"octet 300 is wrong", "octet 310 of it"}},
		{"of-another-request", swapped, []string{"octet 5000 is wrong", "octet 100 of a body of request 8"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			diff := newPattern(7, downward).check(tt.body)
			if diff == nil {
				t.Fatal("nothing found")
			}
			for _, want := range tt.want {
				if !strings.Contains(diff.String(), want) {
					t.Errorf("difference is %q; want %q in it", diff, want)
				}
			}
		})
	}
}

func TestPlanTravels(t *testing.T) {
	a := &actor{ledger: new(ledger), rng: rand.New(rand.NewPCG(3, 4))}
	for range 200 {
		p := a.draw(&link{id: 5})
		p.wait, p.at = time.Second, beforeHead
		req, err := http.NewRequestWithContext(t.Context(), p.method, p.target(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.RequestURI = p.target()
		got, err := parsePlan(req)
		if err != nil || *got != *p {
			t.Fatalf("parsePlan(%v) = %v, %v", p, got, err)
		}
		req.RequestURI += "&x=1"
		if _, err := parsePlan(req); err == nil {
			t.Fatalf("parsePlan(%s): no error", req.RequestURI)
		}
	}
}

// text returns the first n octets of the answer to request 7.
func text(n int) string {
	b := make([]byte, n)
	newPattern(7, downward).fill(b)
	return string(b)
}

func TestAwait(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nX-Soak-Id: 7\r\n"
	p := &plan{id: 7, method: http.MethodGet, down: 100}
	tests := []struct {
		name, answer string
		want         error
		breach       string // what is in it; empty: there is none
	}{
		{"right", head + "Content-Length: 100\r\n\r\n" + text(100), nil, ""},
		{"behind-1xx", "HTTP/1.1 103 Early Hints\r\n\r\n" + head + "Content-Length: 100\r\n\r\n" + text(100), nil, ""},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n64\r\n" + text(100) + "\r\n0\r\n\r\n", nil, ""},
		{"of-another", "HTTP/1.1 200 OK\r\nX-Soak-Id: 8\r\nContent-Length: 100\r\n\r\n" + text(100), errWrong, `request "8"`},
		{"wrong-octet", head + "Content-Length: 100\r\n\r\n" + text(99) + "\x00", errWrong, "octet 99 is wrong"},
		{"short", head + "Content-Length: 99\r\n\r\n" + text(99), errWrong, "after 99 octets"},
		{"short-chunked", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n" + text(1) + "\r\n0\r\n\r\n", errWrong, "after 1 octets"},
		{"long", head + "Content-Length: 101\r\n\r\n" + text(101), errWrong, "after 101 octets"},
		{"cut", head + "Content-Length: 100\r\n\r\n" + text(99), errCut, ""},
		{"cut-chunked", head + "Transfer-Encoding: chunked\r\n\r\n64\r\n" + text(100) + "\r\n", errCut, ""},
		{"cut-head", head, errCut, ""},
		{"refused", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", statusError(502), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near, far := net.Pipe()
			go func() {
				_, _ = io.WriteString(far, tt.answer)
				_ = far.Close()
			}()
			k := &link{Conn: near, in: bufio.NewReader(near), ledger: new(ledger), mode: "plain"}
			if err := k.await(p, whole, swift); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("await = %v; want %v", err, tt.want)
			}
			breached(t, k.ledger, tt.breach)
		})
	}
}

// breached fails unless the ledger holds one breach with want in it, or none.
func breached(t *testing.T, l *ledger, want string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := strings.Join(l.breaches, "; ")
	if (want == "") != (got == "") || !strings.Contains(got, want) || len(l.breaches) > 1 {
		t.Errorf("breaches = %q; want %q", got, want)
	}
}

func TestServersFindWhatIsWrong(t *testing.T) {
	up := make([]byte, 50)
	newPattern(7, upward).fill(up)
	post := func(client, length int, body string) string {
		p := plan{id: 7, client: uint64(client), method: http.MethodPost, profile: "own", up: 50, frame: "length"}
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", p.target(), length, body)
	}
	get := func(client int, profile string) string {
		p := plan{id: 9, client: uint64(client), method: http.MethodGet, profile: profile, frame: "length"}
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: h\r\n\r\n", p.target())
	}
	tests := []struct{ name, sent, want string }{
		{"right", post(1, 50, string(up)), ""},
		{"client-left", post(1, 50, string(up[:20])), ""},
		{"wrong-octet", post(1, 50, string(up[:49])+"x"), "octet 49 is wrong"},
		{"short", post(1, 20, string(up[:20])), "after 20 octets"},
		{"twice", post(1, 50, string(up)) + post(1, 50, string(up)), "twice"},
		{"of-two-clients", get(1, "own") + get(2, "pool"), "server connection of client connection 1"},
		{"shared", get(1, "pool") + get(2, "pool") + get(1, "own"), ""},
		{"another-request", "GET /own/soak?id=9 HTTP/1.1\r\nHost: h\r\n\r\n", "another request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := newFarm(t.Context(), new(ledger), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.close()
			conn, err := net.Dial("tcp", f.address(0))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, tt.sent)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			breached(t, f.ledger, tt.want)
		})
	}
}

// What clients do must come out right where nothing is between them and a
// server: else a breach would say nothing about casbah.
func TestClientsAndServersAgree(t *testing.T) {
	f, err := newFarm(t.Context(), new(ledger), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	a := &actor{ledger: f.ledger, farm: f, rng: rand.New(rand.NewPCG(5, 6)), site: &site{plain: f.address(0), relay: f.address(1)}}
	ctx := context.Background()
	for _, do := range []func(*actor, context.Context, *link) string{(*actor).halfClose, (*actor).pipeline, (*actor).duplex} {
		for range 20 {
			k := a.direct(t)
			if end := do(a, ctx, k); end != endRight {
				t.Errorf("ended %s; want %s", end, endRight)
			}
			a.leave(k)
		}
	}
	for range 20 {
		if end := a.relay(ctx); end != endRight && end != endLeft {
			t.Errorf("relay ended %s", end)
		}
	}
	breached(t, f.ledger, "")
	if f.ledger.octets.Load() == 0 {
		t.Error("no octet was compared")
	}
}

// direct connects to a server.
func (a *actor) direct(t *testing.T) *link {
	t.Helper()
	tcp, err := dial(t.Context(), a.rng, a.site.plain)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newLink(t.Context(), a.ledger, tcp, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGrowth(t *testing.T) {
	line := func(n int, perPoint, noise int64) []point {
		var points []point
		for i := range n {
			points = append(points, point{at: time.Duration(i) * time.Minute, resident: 1e8 + int64(i)*perPoint + int64(i%2)*noise})
		}
		return points
	}
	early := line(20, 0, 0)
	for i := range 10 {
		early[i].resident = int64(i) * 1e7 // grows in the first half alone
	}
	tests := []struct {
		name      string
		points    []point
		low, high int64
		ok        bool
	}{
		{"too-few", line(6, 0, 0), 0, 0, false},
		{"enough", line(7, 0, 0), 0, 0, true},
		{"flat", line(40, 0, 0), 0, 0, true},
		{"rising", line(40, 1<<20, 0), 19<<20 - 1, 19<<20 + 1, true},
		{"falling", line(40, -1<<20, 0), -19<<20 - 1, -19<<20 + 1, true},
		{"noise", line(40, 0, 8<<20), -2 << 20, 2 << 20, true},
		{"first-half", early, 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := growth(tt.points); got < tt.low || got > tt.high || ok != tt.ok {
				t.Errorf("growth = %d, %t; want %d to %d, %t", got, ok, tt.low, tt.high, tt.ok)
			}
		})
	}
}

func TestExceeds(t *testing.T) {
	first := point{files: files{sockets: 4, pipes: 1, others: 10}, goroutines: 20}
	tests := []struct {
		name string
		now  point
		want int
	}{
		{"same", first, 0},
		{"fewer", point{}, 0},
		{"spare", point{files: files{4, 1 + sparePipes, 10 + spareOthers}, goroutines: 20 + spareGoroutines}, 0},
		{"socket", point{files: files{5 + spareSockets, 1, 10}, goroutines: 20}, 1},
		{"all", point{files: files{100, 100, 100}, goroutines: 100}, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exceeds(first, tt.now); len(got) != tt.want {
				t.Errorf("exceeds = %q; want %d", got, tt.want)
			}
		})
	}
}

func TestComplaints(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("{\"level\":\"info\"}\nWARNING: DATA RACE\nRead at 0x\npanic: BUG: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := (&daemon{log: log}).complaints()
	if err != nil || len(got) != 2 {
		t.Errorf("complaints = %q, %v; want two", got, err)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		args string
		ok   bool
	}{
		{"", true},
		{"-time 1s -workers 1 -seed 5 -relay -engine reactor -loops 2", true},
		{"-time 999ms", false},
		{"-workers 0", false},
		{"-rest -1s", false},
		{"-nothing", false},
		{"more", false},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.args, " ", "_"), func(t *testing.T) {
			o, err := parse(strings.Fields(tt.args), io.Discard)
			if (err == nil) != tt.ok {
				t.Fatalf("parse: %v", err)
			}
			if tt.ok && (o.seed == 0 || o.rest <= 0) {
				t.Errorf("options = %+v", o)
			}
		})
	}
}

// A broken configuration must not be one that happens to be valid.
func TestBrokenDiffersFromValid(t *testing.T) {
	f, err := newFarm(t.Context(), new(ledger), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	s, err := newSite(t.Context(), new(options), t.TempDir(), f)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		if text := s.broken(rng); text == s.text(0) || text == s.text(1) {
			t.Fatalf("broken is a valid form:\n%s", text)
		}
	}
}
