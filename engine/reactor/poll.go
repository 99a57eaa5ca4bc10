//go:build linux

package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// linger is how long a wait may last that the scheduler of Go does not hear of. It
// would take the processor of the loop away, for others, of whom one is kept free,
// and its monitor would look every 20 microseconds whether there is more to take.
const linger = 5 * time.Millisecond

// poll takes the next events, and waits for them if there is nothing else to do.
func (lp *loop) poll() {
	wait := time.Duration(0)
	if len(lp.ready) == 0 && len(lp.dirty) == 0 && lp.shaking.empty() { // dirty behind a panic
		wait = lp.sleep()
	}
	lp.event, lp.last = 0, lp.await(wait)
	lp.now = lp.engine.clock()
	// Before any of them is handled: what is known to be dead is not used, in
	// this turn either.
	for i := range lp.events[:lp.last] {
		ev := &lp.events[i]
		l := lp.legOf(ev)
		if l == nil {
			continue
		}
		l.hot = l.hot || ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
		l.hup = l.hup || ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	}
}

// await returns how many events there are after at most wait; negative is for ever.
func (lp *loop) await(wait time.Duration) int {
	short := wait
	if wait < 0 || wait > linger {
		short = linger
	}
	if n := pollEvents(lp.epfd, lp.events[:], milliseconds(short)); n > 0 || short == wait {
		return n
	}
	n, err := unix.EpollWait(lp.epfd, lp.events[:], milliseconds(wait))
	if err != nil {
		return 0
	}
	return n
}

// sleep returns how long the loop may wait; negative is for ever.
func (lp *loop) sleep() time.Duration {
	wait := lp.wheel.wait(lp.now)
	for _, at := range [...]int64{lp.unmute, lp.expiryDue()} {
		if at != 0 && (wait < 0 || at-lp.now < int64(wait)) {
			wait = time.Duration(max(at-lp.now, 0))
		}
	}
	return wait
}

// expiryDue returns when shelves are looked at again; 0 if nothing is there.
func (lp *loop) expiryDue() int64 {
	if lp.parked == 0 {
		return 0
	}
	return max(lp.expiry, 1)
}

// milliseconds rounds up: a loop that woke before its time would spin.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}
