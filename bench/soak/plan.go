package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What a server does wrong.
const (
	faultReset = "reset" // resets the connection
	faultClose = "close" // closes it
	faultAfter = "after" // closes it behind a whole response, without saying so before
)

// beforeHead is a place of a fault.
const beforeHead = -1

// plan is a request and how it is to be answered. It travels in the query, so
// that the server knows what the client expects.
type plan struct {
	id      uint64 // of the request
	client  uint64 // of the client connection
	method  string
	profile string // "own", "pool" or "brisk"

	up        int64 // octets of the request's body
	upChunked bool
	down      int64  // octets of the response's body
	frame     string // length, chunked or end: how the response tells its end
	echo      bool   // the response's body is the request's
	early     bool   // the response does not wait for the request's body
	expect    bool   // Expect: 100-continue
	hints     bool   // a 103 goes before the response
	half      bool   // the server closes its half behind the response
	wait      time.Duration
	fault     string // empty: none
	at        int64  // octets of the response's body before the fault, or beforeHead
}

// clean reports whether the server is to answer as it should.
func (p *plan) clean() bool { return p.fault == "" || p.fault == faultAfter }

// answered returns the length of the response's body.
func (p *plan) answered() int64 {
	if p.echo {
		return p.up
	}
	return p.down
}

// answer returns the text of the response's body.
func (p *plan) answer() *pattern {
	if p.echo {
		return newPattern(p.id, upward)
	}
	return newPattern(p.id, downward)
}

// keeps reports whether the server keeps the connection for another request.
func (p *plan) keeps() bool { return p.frame != "end" && !p.half }

func (p *plan) String() string {
	return fmt.Sprintf("%s %s", p.method, p.target())
}

// target is the request's target.
func (p *plan) target() string {
	return fmt.Sprintf("/%s/soak?id=%d&client=%d&up=%d&upchunked=%t&down=%d&frame=%s&echo=%t&early=%t&expect=%t&hints=%t&half=%t&wait=%d&fault=%s&at=%d",
		p.profile, p.id, p.client, p.up, p.upChunked, p.down, p.frame, p.echo, p.early, p.expect, p.hints, p.half, p.wait, p.fault, p.at)
}

// parsePlan reads the plan of a request that has come to a server.
func parsePlan(req *http.Request) (*plan, error) {
	q, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	p := &plan{
		method: req.Method, id: number[uint64](q, "id", &err), client: number[uint64](q, "client", &err),
		up: number[int64](q, "up", &err), upChunked: q.Get("upchunked") == "true", down: number[int64](q, "down", &err),
		frame: q.Get("frame"), echo: q.Get("echo") == "true", early: q.Get("early") == "true", expect: q.Get("expect") == "true",
		hints: q.Get("hints") == "true", half: q.Get("half") == "true", wait: number[time.Duration](q, "wait", &err),
		fault: q.Get("fault"), at: number[int64](q, "at", &err),
	}
	p.profile = strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/"), "/soak")
	if err == nil && p.target() != req.RequestURI {
		err = fmt.Errorf("the target is %q; it was sent as %q", req.RequestURI, p.target())
	}
	return p, err
}

// number reads a number of the query; the first mistake is kept in err.
func number[T ~int64 | ~uint64](q url.Values, key string, err *error) T {
	n, parseErr := strconv.ParseInt(q.Get(key), 10, 64)
	if parseErr != nil && *err == nil {
		*err = parseErr
	}
	return T(n)
}

// edges are lengths at which buffers, records and pipes fill up.
var edges = []int64{1, 4095, 4096, 4097, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 262144, 1 << 20, 8 << 20}

// drawSize draws the length of a body: most are short, a few are long.
func drawSize(rng *rand.Rand) int64 {
	switch n := rng.IntN(100); {
	case n < 10:
		return 0
	case n < 45:
		return rng.Int64N(1 << 10)
	case n < 70:
		return rng.Int64N(64 << 10)
	case n < 80:
		return edges[rng.IntN(len(edges)-2)]
	case n < 97:
		return rng.Int64N(1 << 20)
	case n < 98:
		return edges[rng.IntN(len(edges))]
	default:
		return rng.Int64N(8<<20 + 1)
	}
}
