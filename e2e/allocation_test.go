package e2e

import (
	"bytes"
	"io"
	"math"
	"net"
	"runtime"
	"testing"
	"time"
)

// A request on a kept connection, and its response, allocate nothing on their
// whole way through casbah: the driver, the core, the chain with a cookie that
// is bound, the counters and the access record.
func TestKeptRequestDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			r, s := newStubRig(t, mode{engine, "plain"}, "ews")
			client, err := net.Dial("tcp", r.plain)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_ = client.SetDeadline(time.Now().Add(time.Minute))
			request := []byte("GET /ews/ HTTP/1.1\r\nHost: mail\r\nCookie: exchangecookie=0123456789abcdef\r\nUser-Agent: x\r\n\r\n")
			response := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1024\r\n\r\n"), make([]byte, 1024)...)
			if _, err := client.Write(request); err != nil {
				t.Fatal(err)
			}
			server := s.accept().Conn
			go answerAll(server, response)
			got := make([]byte, len(response))
			if _, err := io.ReadFull(client, got); err != nil {
				t.Fatal(err)
			}
			const rounds = 2000
			exchange := func() {
				if _, err := client.Write(request); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got[:15], response[:15]) {
					t.Fatalf("%.40q, %v", got, err)
				}
			}
			// Probes, timers and the log's writer have their own pace, and the
			// log makes its entries at first: the best of some runs counts. An
			// allocation in every hundredth request is in all of them.
			best := uint64(math.MaxUint64)
			for range 6 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range rounds {
					exchange()
				}
				runtime.ReadMemStats(&after)
				best = min(best, after.Mallocs-before.Mallocs)
			}
			if best > rounds/100 {
				t.Errorf("%d allocations in %d requests; want none of the requests'", best, rounds)
			}
		})
	}
}

// answerAll sends response whenever something comes.
func answerAll(nc net.Conn, response []byte) {
	p := make([]byte, 4096)
	for {
		if _, err := nc.Read(p); err != nil {
			return
		}
		if _, err := nc.Write(response); err != nil {
			return
		}
	}
}
