package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// session is one client program with its cookies. It asks on one connection at
// a time, which it changes now and then, and its address with it.
type session struct {
	r       *rig
	rng     *rand.Rand
	name    string
	wire    *wire
	cookies map[string]string
	server  string // of the first answer
}

// ask sends one request, and returns an error unless the session's server has
// answered.
func (s *session) ask(path string) error {
	if s.wire != nil && s.rng.IntN(25) == 0 {
		_ = s.wire.Close()
		s.wire = nil
	}
	if s.wire == nil {
		// Few addresses, which many sessions have in common.
		conn, err := s.r.connect(fmt.Sprintf("127.0.0.%d", 2+s.rng.IntN(6)))
		if err != nil {
			return err
		}
		s.wire = newWire(nil, conn)
	}
	s.wire.within(patience)
	var head strings.Builder
	fmt.Fprintf(&head, "GET %s HTTP/1.1\r\nHost: mail.example.org\r\n", path)
	if s.server == "" {
		fmt.Fprintf(&head, "X-Set: UserContext=%s; path=/\r\n", s.name)
	}
	for name, value := range s.cookies {
		fmt.Fprintf(&head, "Cookie: %s=%s\r\n", name, value)
	}
	if _, err := s.wire.Write([]byte(head.String() + "\r\n")); err != nil {
		return err
	}
	resp, _, err := s.wire.answer("GET")
	if err != nil {
		return err
	}
	for _, c := range resp.Cookies() {
		s.cookies[c.Name] = c.Value
	}
	server := resp.Header.Get("X-Lab-Server")
	if s.server == "" {
		s.server = server
	}
	if resp.StatusCode != http.StatusOK || server != s.server {
		return fmt.Errorf("status %d by %q; want 200 by %s", resp.StatusCode, server, s.server)
	}
	return nil
}

// hangUp ends the connection.
func (s *session) hangUp() {
	if s.wire != nil {
		_ = s.wire.Close()
	}
}

// manyRequests is how many requests are sent in each mode.
func manyRequests() int {
	if os.Getenv("CASBAH_LONG") != "" {
		return 100_000
	}
	return 2_000
}

// However many requests come with their cookies, over kept and new connections
// and from addresses that clients share, none leaves its session's server; also
// while the algorithm and the weights change.
//
// CASBAH_LONG=1 makes it 100,000 in each mode.
func TestManyRequestsMoveNoSession(t *testing.T) {
	const workers, each = 8, 12
	modesInTurn(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m}, "owa", "ecp")
		total := int64(manyRequests())
		var asked, moved atomic.Int64
		quarters := make(chan int64, 4)
		var work sync.WaitGroup
		for i := range workers {
			work.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(i)))
				sessions := make([]*session, each)
				for j := range sessions {
					sessions[j] = &session{r: r, rng: rng, name: fmt.Sprintf("s%d.%d", i, j), cookies: map[string]string{}}
					defer sessions[j].hangUp()
				}
				for n := asked.Add(1); n <= total && moved.Load() < 10; n = asked.Add(1) {
					s := sessions[rng.IntN(each)]
					if err := s.ask([]string{"/owa/", "/ecp/"}[rng.IntN(2)]); err != nil {
						moved.Add(1)
						t.Errorf("request %d, session %s: %v", n, s.name, err)
					}
					if n%(total/4) == 0 {
						quarters <- n
					}
				}
			})
		}
		go func() {
			work.Wait()
			close(quarters)
		}()
		base := r.read()
		for n := range quarters {
			pool := []string{"least_conn", "source_hash", "random_two", "least_time"}[n*4/total-1]
			text := strings.Replace(base, `algorithm = "round_robin"`, fmt.Sprintf("algorithm = %q", pool), 1)
			r.reload(strings.Replace(text, "name = \"cas2\"\n", fmt.Sprintf("name = \"cas2\"\nweight = %d\n", 100*n*4/total), 1))
		}
		if n := int64(r.vipStatus(m.vip).Requests); n < total {
			t.Errorf("%d requests are counted; want %d", n, total)
		}
	})
}
