package netconn

import "time"

// alarm is the one timer of a connection, armed lazily: a deadline that moves
// away, as an idle deadline does with every request, costs nothing. The timer
// then fires early and is armed for the rest.
type alarm struct {
	timer *time.Timer
	armed int64 // when the timer fires; 0: not armed
	wake  int64 // what the core asked for; 0: nothing
}

// arm makes the timer fire no later than the deadline.
func (a *alarm) arm(now int64, fire func()) {
	if a.wake == 0 || (a.armed != 0 && a.armed <= a.wake) {
		return
	}
	a.armed = a.wake
	wait := time.Duration(max(a.wake-now, 0))
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, fire)
		return
	}
	a.timer.Reset(wait)
}

// fired notes that the timer ran out and reports whether the deadline has come.
func (a *alarm) fired(now int64) bool {
	a.armed = 0
	if a.wake == 0 || now < a.wake {
		return false
	}
	a.wake = 0
	return true
}

// stop is for good; a timer that fires at this moment finds a connection that
// is over.
func (a *alarm) stop() {
	a.wake = 0
	if a.timer != nil {
		a.timer.Stop()
	}
}
