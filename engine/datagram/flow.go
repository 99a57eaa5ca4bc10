package datagram

import (
	"sync"

	"casbah/balance"
	"casbah/engine"
)

// flow is one client at one address of a listener, and its server.
type flow struct {
	key   key
	ln    *Listener
	place place // of the listener's table

	mu     sync.Mutex // guards the fields below and serializes core; what is sent under it does not wait
	core   engine.Flow
	reply  sender            // to the client
	to     *balance.Endpoint // the server that was chosen; nil: none is
	up     *upstream         // to it; nil: not yet
	over   bool
	broken bool // core has panicked: it is not called any more
	heard  bool // a server has answered
}

// begin makes the core and calls it first; it returns when the flow is due.
func (f *flow) begin(now int64, c engine.Conn) (next int64) {
	f.mu.Lock()
	defer f.leave()
	f.core = f.ln.newFlow(c)
	return f.core.Tick(now)
}

// forward passes a datagram of the client on to its server. Where none is there,
// one is chosen; what cannot be reached is passed over.
func (f *flow) forward(now int64, p []byte) {
	f.mu.Lock()
	defer f.leave()
	for range maxTries {
		if f.over {
			return
		}
		if f.up == nil && !f.connect(now) {
			continue
		}
		if f.up == nil {
			return // nobody is there
		}
		err := f.up.out.send(p)
		switch {
		case err == nil: // common case
			f.core.Sent(now, len(p))
			return
		case unreachable(err): // an answer to an earlier datagram; this one was not sent
			f.lose(now)
		case !passing(err):
			f.core.Dropped()
			return
		}
	}
	f.core.Dropped()
}

// connect has a server chosen and opens the socket to it. False asks to try once
// more: this server cannot be reached.
func (f *flow) connect(now int64) bool {
	if f.to == nil {
		f.to = f.core.Choose(now)
	}
	if f.to == nil {
		return true
	}
	addr, ok := f.to.Addr()
	if !ok {
		f.lose(now)
		return false
	}
	up, err := f.key.socket.engine.dial(f, addr)
	switch {
	case err == nil:
		f.up = up
		return true
	case shortage(err): // not the server's fault: the next datagram may find it
		f.ln.Refused(engine.Descriptors)
		return true
	default:
		f.lose(now)
		return false
	}
}

// lose lets go of a server that cannot be reached.
func (f *flow) lose(now int64) {
	f.hangUp()
	f.to = nil
	f.core.Unreached(now)
}

// hangUp closes the socket to the server, if there is one.
func (f *flow) hangUp() {
	if f.up != nil {
		f.up.close()
		f.up = nil
	}
}

// deliver passes a datagram of the server u on to the client. It reports whether
// the flow still wants to hear of it. The first one makes the flow safe from
// eviction before the client hears of it.
func (f *flow) deliver(now int64, u *upstream, p []byte) (goesOn bool) {
	f.mu.Lock()
	defer f.leave()
	if f.over || f.up != u {
		return false
	}
	f.core.Answered(now, len(p))
	if !f.heard {
		f.heard = true
		f.ln.table.answer(f)
	}
	if f.reply.send(p) != nil {
		f.core.Dropped()
	}
	return true
}

// lost takes note that the server u cannot be reached, where it is still the
// flow's.
func (f *flow) lost(now int64, u *upstream) {
	f.mu.Lock()
	defer f.leave()
	if !f.over && f.up == u {
		f.lose(now)
	}
}

// tick lets the core look at the time; 0 says that the flow is to end.
func (f *flow) tick(now int64) (next int64) {
	f.mu.Lock()
	defer f.leave()
	if f.over {
		return 0
	}
	return f.core.Tick(now)
}

// end closes a flow that its table has let go of.
func (f *flow) end(now int64, why engine.Ending) {
	f.mu.Lock()
	defer f.leave()
	f.over = true
	f.hangUp()
	if f.broken {
		engine.Abandon(f.core)
		return
	}
	f.core.Close(now, why)
}

// leave unlocks f. It is deferred: a panic of the core ends the flow, and nothing
// else.
func (f *flow) leave() {
	if v := recover(); v != nil {
		e := f.key.socket.engine
		f.over, f.broken = true, true
		e.faults.Note(v, e.conf.OnPanic)
		e.background(func() {
			if f.ln.table.remove(f) {
				e.finish(e.clock(), f, engine.Killed)
			}
		})
	}
	f.mu.Unlock()
}
