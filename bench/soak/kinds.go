package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// kind is something that clients do.
type kind struct {
	name   string
	weight int
	do     func(a *actor, ctx context.Context) (end string)
}

// kindsOf returns what is done with these options.
func kindsOf(o *options) []kind {
	all := []kind{
		{"keep-alive", 30, linked((*actor).keepAlive)},
		{"pipeline", 10, linked((*actor).pipeline)},
		{"duplex", 8, linked((*actor).duplex)},
		{"slow-reader", 3, linked((*actor).slowReader)},
		{"slow-writer", 3, linked((*actor).slowWriter)},
		{"half-close", 8, linked((*actor).halfClose)},
		{"server-fault", 10, linked((*actor).serverFault)},
		{"client-leaves", 10, linked((*actor).clientLeaves)},
		{"gone", 5, (*actor).gone},
		{"handshake", 5, (*actor).handshake},
		{"wrong-protocol", 2, (*actor).wrongProtocol},
		{"long-wait", 2, linked((*actor).longWait)},
		{"timeout", 2, linked((*actor).timeout)},
		{"extra-vip", 3, (*actor).extraVIP},
	}
	if o.relay {
		all = append(all, kind{"relay", 10, (*actor).relay})
	}
	return all
}

// linked returns an action on a client connection that it opens and leaves.
func linked(do func(a *actor, ctx context.Context, k *link) string) func(*actor, context.Context) string {
	return func(a *actor, ctx context.Context) string {
		k := a.open(ctx)
		if k == nil {
			return endFailed
		}
		defer a.leave(k)
		return do(a, ctx, k)
	}
}

// How actions end.
const (
	endRight   = "right"   // all that was asked for has come
	endFailed  = "failed"  // it has not; the ledger knows why
	endCut     = "cut"     // the connection ended, as it had to
	endRefused = "refused" // casbah answered with an error, as it had to
	endLeft    = "left"    // the client went
)

// keepAlive asks a few times on one connection.
func (a *actor) keepAlive(ctx context.Context, k *link) string {
	for range 1 + a.rng.IntN(12) {
		p := a.draw(k)
		if !a.judge(ctx, k, p, a.exchange(k, p, swift, swift)) {
			return endFailed
		}
		if k.over || ctx.Err() != nil {
			break
		}
		if a.chance(10) {
			time.Sleep(a.within(0, 300*time.Millisecond))
		}
	}
	return endRight
}

// pipeline asks several times before it reads.
func (a *actor) pipeline(ctx context.Context, k *link) string {
	plans := a.several(k)
	sent := make(chan error, 1)
	writing := pace{piece: 1 + a.rng.IntN(8<<10)}
	go func() {
		var err error
		for _, p := range plans {
			w := writing
			if err = k.write(k.head(p), &w); err != nil {
				break
			}
			if err = k.send(p, whole, writing); err != nil {
				break
			}
		}
		sent <- err
	}()
	end := endRight
	for _, p := range plans {
		if end != endRight {
			a.farm.forget(p) // one that failed takes those behind it along
			continue
		}
		if !a.judge(ctx, k, p, k.await(p, whole, swift)) {
			end = endFailed
			k.reset() // so that the writer ends
		}
	}
	if err := <-sent; err != nil && end == endRight && ctx.Err() == nil {
		a.ledger.breach("%s pipeline: %v", k.mode, err)
		return endFailed
	}
	return end
}

// several draws requests that can stand behind each other.
func (a *actor) several(k *link) []*plan {
	var plans []*plan
	for range 2 + a.rng.IntN(7) {
		p := a.draw(k)
		p.expect, p.half, p.fault, p.up = false, false, "", p.up&0xffff
		if p.frame == "end" {
			p.frame = "length"
		}
		if p.method == http.MethodPost {
			a.ledger.posts.Add(1)
		}
		plans = append(plans, p)
	}
	return plans
}

// duplex sends a body while the answer comes.
func (a *actor) duplex(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.method, p.up, p.upChunked = http.MethodPost, drawSize(a.rng), a.chance(50)
	if p.frame == "end" {
		p.frame = "chunked"
	}
	p.echo = a.chance(50)
	p.early = !p.echo
	if !a.judge(ctx, k, p, a.exchange(k, p, swift, swift)) {
		return endFailed
	}
	return endRight
}

// slowReader takes its time over an answer.
func (a *actor) slowReader(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.down += 64 << 10
	if a.chance(50) {
		_ = k.tcp.SetReadBuffer(4 << 10)
		p.down = min(p.down, 1<<20) // some 40 KB a second pass through such a window
	}
	slow := pace{piece: 256 + a.rng.IntN(8<<10), rest: a.within(0, 40*time.Millisecond), rests: 60}
	if !a.judge(ctx, k, p, a.exchange(k, p, swift, slow)) {
		return endFailed
	}
	return endRight
}

// slowWriter takes its time over a request, octet by octet at first.
func (a *actor) slowWriter(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.up = min(p.up, 8<<10)
	slow := pace{piece: 1 + a.rng.IntN(40), rest: a.within(0, 20*time.Millisecond), rests: 60}
	if !a.judge(ctx, k, p, a.exchange(k, p, slow, swift)) {
		return endFailed
	}
	return endRight
}

// halfClose closes the client's half behind its request, and still wants the
// answer.
func (a *actor) halfClose(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.expect = false
	writing := swift
	err := k.write(k.head(p), &writing)
	if err == nil {
		_ = k.send(p, whole, swift) // the answer tells what came of it
		_ = k.closeWrite()
		err = k.await(p, whole, swift)
	}
	if p.method == http.MethodPost {
		a.ledger.posts.Add(1)
	}
	if !a.judge(ctx, k, p, err) {
		return endFailed
	}
	a.ends(k)
	return endRight
}

// serverFault has the server reset or close amid the answer, or before it.
func (a *actor) serverFault(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.fault, p.at, p.half = faultReset, beforeHead, false
	if a.chance(50) {
		p.fault = faultClose
	}
	if p.method == http.MethodHead {
		p.method = http.MethodGet
	}
	if p.frame == "end" {
		p.frame = "length"
	}
	if p.down++; a.chance(70) {
		p.at = a.rng.Int64N(p.down)
	}
	err := a.exchange(k, p, swift, swift)
	a.farm.forget(p)
	var status statusError
	switch {
	case errors.Is(err, errTimeout):
		a.ledger.breach("%s %v: nothing in %v", k.mode, p, patience)
	case errors.As(err, &status) && status == http.StatusBadGateway:
		return endRefused
	case errors.Is(err, errCut):
		return endCut
	case errors.Is(err, errWrong), ctx.Err() != nil:
	default:
		a.ledger.breach("%s %v: the server failed, and the client got %v; want an error or 502", k.mode, p, err)
	}
	return endFailed
}

// clientLeaves goes amid a head, a request body, the wait or an answer.
func (a *actor) clientLeaves(ctx context.Context, k *link) string {
	_ = k.SetDeadline(time.Now().Add(patience))
	p := a.draw(k)
	defer a.farm.forget(p)
	p.expect = false
	if a.chance(20) {
		p.wait = a.within(0, time.Second)
	}
	writing, head := swift, k.head(p)
	if a.chance(20) {
		_ = k.write(head[:a.rng.IntN(len(head))], &writing)
		return endLeft
	}
	if k.write(head, &writing) != nil {
		return endLeft
	}
	if p.up > 0 && a.chance(50) {
		_ = k.send(p, a.rng.Int64N(p.up), swift)
		return endLeft
	}
	_ = k.send(p, whole, swift)
	if a.chance(20) {
		time.Sleep(a.within(0, 50*time.Millisecond))
		return endLeft
	}
	_ = k.await(p, a.rng.Int64N(p.down+1), swift) // what is wrong is taken down there
	return endLeft
}

// longWait asks for what takes a while, and may not wait for it.
func (a *actor) longWait(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.wait = a.within(2*time.Second, 8*time.Second)
	if a.chance(25) {
		p.method, p.up, p.upChunked, p.expect, p.frame = http.MethodGet, 0, false, false, "length"
		_, _ = k.Write(k.head(p))
		time.Sleep(a.within(0, 2*time.Second))
		return endLeft
	}
	if !a.judge(ctx, k, p, a.exchange(k, p, swift, swift)) {
		return endFailed
	}
	return endRight
}

// timeout asks a server that takes longer than casbah waits.
func (a *actor) timeout(ctx context.Context, k *link) string {
	p := a.draw(k)
	p.profile, p.wait, p.method, p.up, p.upChunked, p.expect, p.hints = "brisk", 6*time.Second, http.MethodGet, 0, false, false, false
	err := a.exchange(k, p, swift, swift)
	var status statusError
	if errors.As(err, &status) && status == http.StatusGatewayTimeout {
		return endRefused
	}
	if ctx.Err() == nil {
		a.ledger.breach("%s %v: a server that is too slow: the client got %v; want 504", k.mode, p, err)
	}
	return endFailed
}

// extraVIP asks at a VIP that comes and goes with the configuration: what is
// answered must be right, but there may be no answer.
func (a *actor) extraVIP(ctx context.Context) string {
	tcp, err := dial(ctx, a.rng, a.site.extra)
	if err != nil {
		return endRefused
	}
	k, err := newLink(ctx, a.ledger, tcp, nil)
	if err != nil {
		return endRefused
	}
	defer a.leave(k)
	for range 1 + a.rng.IntN(4) {
		p := a.draw(k)
		err := a.exchange(k, p, swift, swift)
		a.farm.forget(p)
		switch {
		case errors.Is(err, errTimeout):
			a.ledger.breach("extra VIP, %v: nothing in %v", p, patience)
			return endFailed
		case err != nil:
			return endCut
		case k.over:
			return endRight
		}
		time.Sleep(a.within(0, time.Second))
	}
	return endRight
}

// relay sends octets through the VIP of type tcp and wants them back.
func (a *actor) relay(ctx context.Context) string {
	tcp, err := a.connect(ctx, a.site.relay)
	if err != nil {
		return endFailed
	}
	k, err := newLink(ctx, a.ledger, tcp, nil)
	if err != nil {
		return endFailed
	}
	defer a.leave(k)
	p := &plan{id: a.ledger.next(), method: http.MethodPost, up: drawSize(a.rng), echo: true}
	limit, leaves := int64(whole), a.chance(30)
	if leaves {
		limit = a.rng.Int64N(p.up + 1)
	}
	sent := make(chan error, 1)
	go func() {
		err := k.send(p, limit, swift)
		if !leaves && err == nil {
			err = k.closeWrite()
		}
		sent <- err
	}()
	n, err := k.compare(p, k.in, min(limit, p.up), swift)
	if err == nil && !leaves {
		if _, err = k.in.ReadByte(); errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = fmt.Errorf("no end behind the last octet: %w", err)
		}
	}
	if err != nil {
		k.reset() // so that the writer ends
	}
	sendErr := <-sent
	switch {
	case leaves:
		return endLeft
	case errors.Is(err, errWrong), ctx.Err() != nil:
		return endFailed
	case err != nil || n != p.up || sendErr != nil:
		a.ledger.breach("relay: %d octets sent (%v), %d came back (%v)", p.up, sendErr, n, err)
		return endFailed
	}
	return endRight
}
