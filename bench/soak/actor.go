package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"
)

// whole is a limit that no body reaches.
const whole = math.MaxInt64

// actor is a client that does one thing after the other.
type actor struct {
	ledger   *ledger
	farm     *farm
	site     *site
	rng      *rand.Rand
	sessions tls.ClientSessionCache
	doing    string // the name of what it does
}

// work does what it draws until over ends; what has begun is done to its end,
// unless ctx ends.
func (a *actor) work(ctx, over context.Context, kinds []kind) {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	for over.Err() == nil && ctx.Err() == nil {
		n := a.rng.IntN(total)
		for _, k := range kinds {
			if n -= k.weight; n < 0 {
				a.doing = k.name
				if end := k.do(a, ctx); ctx.Err() == nil {
					a.ledger.count(k.name, end)
				}
				break
			}
		}
	}
}

// chance reports true n times in 100.
func (a *actor) chance(n int) bool { return a.rng.IntN(100) < n }

// within returns a time from shortest to longest.
func (a *actor) within(shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(a.rng.Int64N(int64(longest-shortest)+1))
}

// open connects to the plain or the TLS VIP, which must succeed; nil if it did
// not.
func (a *actor) open(ctx context.Context) *link {
	address, conf := a.site.plain, (*tls.Config)(nil)
	if a.chance(40) {
		address, conf = a.site.tls, a.tls()
	}
	tcp, err := dial(ctx, a.rng, address)
	if err == nil {
		var k *link
		if k, err = newLink(ctx, a.ledger, tcp, conf); err == nil {
			k.mode += " " + a.doing
			return k
		}
	}
	if ctx.Err() == nil {
		a.ledger.breach("a client cannot connect (TLS: %t): %v", conf != nil, err)
	}
	return nil
}

// tls returns what a TLS client begins with.
func (a *actor) tls() *tls.Config {
	version, sessions := uint16(tls.VersionTLS13), tls.ClientSessionCache(nil)
	if a.chance(25) {
		version = tls.VersionTLS12
	}
	if a.chance(50) {
		sessions = a.sessions
	}
	return a.site.clientTLS(version, sessions)
}

// draw returns a request on k that the server is to answer as it should.
func (a *actor) draw(k *link) *plan {
	p := &plan{id: a.ledger.next(), client: k.id, method: http.MethodGet, profile: "own", frame: "length", down: drawSize(a.rng)}
	if a.chance(50) {
		p.profile = "pool"
	}
	switch n := a.rng.IntN(100); {
	case n < 40:
		p.method, p.up, p.upChunked, p.expect = http.MethodPost, drawSize(a.rng), a.chance(40), a.chance(15)
		if p.down > 64<<10 && a.chance(70) {
			p.down >>= 8 // few are long both ways
		}
	case n < 45:
		p.method = http.MethodHead
	}
	switch n := a.rng.IntN(100); {
	case n < 40:
		p.frame = "chunked"
	case n < 45 && p.method == http.MethodGet:
		p.frame = "end"
	}
	p.hints, p.half = a.chance(10), a.chance(3)
	if a.chance(2) {
		p.fault = faultAfter
	}
	return p
}

// exchange sends p and reads the whole answer.
func (a *actor) exchange(k *link, p *plan, writing, reading pace) error {
	_ = k.SetDeadline(time.Now().Add(patience))
	if p.method == http.MethodPost {
		a.ledger.posts.Add(1)
	}
	if err := k.write(k.head(p), &writing); err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	if p.expect {
		if err := k.proceed(); err != nil {
			return err
		}
	}
	if !p.echo && !p.early {
		// An error of writing is that of the answer, which may have come before it.
		_ = k.send(p, whole, writing)
		return k.await(p, whole, reading)
	}
	sent := make(chan error, 1)
	go func() { sent <- k.send(p, whole, writing) }()
	err := k.await(p, whole, reading)
	if err != nil {
		k.reset() // so that the writer ends
	}
	if sendErr := <-sent; err == nil && sendErr != nil {
		return fmt.Errorf("%w: %w", errCut, sendErr)
	}
	return err
}

// judge takes down how a request ended that had to be answered, and reports
// whether it was. The one excuse: a POST may meet a kept connection that its
// server is closing, and is then not sent again. No server has begun it, and it
// is not the first request of a client that gets a connection of its own.
func (a *actor) judge(ctx context.Context, k *link, p *plan, err error) bool {
	begun := a.farm.forget(p)
	kept := p.profile == "pool" || k.answered > 0
	switch {
	case err == nil:
		return true
	case errors.Is(err, errWrong), ctx.Err() != nil:
	case p.method == http.MethodPost && kept && !begun && !errors.Is(err, errTimeout):
		a.ledger.missed.Add(1)
	default:
		a.ledger.breach("%s %v: %v", k.mode, p, err)
	}
	return false
}

// leave ends a connection in one of the ways that clients have.
func (a *actor) leave(k *link) {
	if a.chance(40) {
		k.reset()
		return
	}
	_ = k.Close()
}

// ends checks that casbah closes k and sends nothing more.
func (a *actor) ends(k *link) {
	b, err := k.in.ReadByte()
	switch {
	case err == nil:
		a.ledger.breach("%s: octet %#x behind the last answer", k.mode, b)
	case errors.Is(err, errTimeout):
		a.ledger.breach("%s: casbah does not close a connection whose client has closed its half", k.mode)
	}
}

// say writes text and reads all that comes back, for a short time.
func say(k io.ReadWriter, text []byte) []byte {
	_, _ = k.Write(text)
	answer, _ := io.ReadAll(io.LimitReader(k, 64<<10))
	return answer
}
