package lab

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// All names every directory of a CAS where a fault is set or healed.
const All = ""

// Fault is one way to misbehave. The zero value is good health.
type Fault struct {
	kind   faultKind
	delay  time.Duration
	octets int64
	code   int
	behind bool // the health page does not know of it
}

type faultKind uint8

const (
	healthy faultKind = iota
	slow
	resetting
	status
	garbage
	hang
)

// Slow answers after d.
func Slow(d time.Duration) Fault { return Fault{kind: slow, delay: d} }

// ResetAfter resets the connection when n octets of the answer have left.
func ResetAfter(n int64) Fault { return Fault{kind: resetting, octets: max(n, 0)} }

// Status answers with that status code, from 200 to 599, and nothing else.
func Status(code int) Fault { return Fault{kind: status, code: code} }

// Garbage answers with octets that are no HTTP and closes the connection.
func Garbage() Fault { return Fault{kind: garbage} }

// Hang takes the request and never answers, until the fault is healed.
func Hang() Fault { return Fault{kind: hang} }

// String returns the fault as Control spells it.
func (f Fault) String() string {
	if f.behind {
		f.behind = false
		return "behind/" + f.String()
	}
	switch f.kind {
	case slow:
		return "slow/" + f.delay.String()
	case resetting:
		return fmt.Sprintf("reset/%d", f.octets)
	case status:
		return fmt.Sprint(f.code)
	case garbage:
		return "garbage"
	case hang:
		return "hang"
	default:
		return "ok"
	}
}

var (
	errNoDirectory = errors.New("lab: no such directory")
	errBadStatus   = errors.New("lab: a final status code is from 200 to 599")
)

// Fault makes a directory of the CAS misbehave, or all of it for All, from the
// next request on; a directory's own fault wins over that of All. A protocol of
// mail counts as a directory, and its connections as requests; with Status it
// greets with a refusal.
func (s *CAS) Fault(directory string, f Fault) error {
	if f.kind == status && (f.code < 200 || f.code > 599) {
		return fmt.Errorf("%w: %d", errBadStatus, f.code)
	}
	if directory != All && !known(s, directory) {
		return fmt.Errorf("%w: %q", errNoDirectory, directory)
	}
	s.faults.set(directory, f)
	return nil
}

// FaultBehind is Fault, but that the health page of the directory goes on to say
// that all is well: the mailboxes behind it are not.
func (s *CAS) FaultBehind(directory string, f Fault) error {
	f.behind = true
	return s.Fault(directory, f)
}

// Heal ends the fault of a directory, or every fault of the CAS for All.
func (s *CAS) Heal(directory string) { s.faults.heal(directory) }

// faults are the faults of one CAS. The zero value is good health.
type faults struct {
	mu          sync.Mutex // guards the fields below
	byDirectory map[string]Fault
	changed     chan struct{} // closed and replaced at each change; nil while nobody waits
}

func (f *faults) set(directory string, to Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byDirectory == nil {
		f.byDirectory = make(map[string]Fault)
	}
	f.byDirectory[directory] = to
	f.announce()
}

func (f *faults) heal(directory string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if directory == All {
		clear(f.byDirectory)
	}
	delete(f.byDirectory, directory)
	f.announce()
}

// announce wakes who waits for a change. The lock is held.
func (f *faults) announce() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// of returns the fault in effect for a directory, and a channel that is closed
// when it may have changed.
func (f *faults) of(directory string) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	own, ok := f.byDirectory[directory]
	if !ok {
		own = f.byDirectory[All]
	}
	return own, f.changed
}

// suffer applies the fault of a directory and reports whether the request may be
// served.
func (s *CAS) suffer(v *visit, directory string) bool {
	for {
		f, changed := s.faults.of(directory)
		if f.behind && isHealthCheck(v.r.URL.Path) {
			return true
		}
		switch f.kind {
		case healthy:
			return true
		case slow:
			v.pause(f.delay)
			return true
		case resetting:
			v.resetAfter(f.octets)
			return true
		case status:
			v.answer(f.code, typeHTML, "")
			return false
		case garbage:
			v.garbage()
		case hang:
			v.hang(changed)
		}
	}
}

// pause waits for d, and ends the visit if the client leaves meanwhile.
func (v *visit) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-v.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func (v *visit) resetAfter(octets int64) {
	if octets == 0 {
		v.conn.reset()
		panic(http.ErrAbortHandler)
	}
	v.conn.cut.Store(octets)
}

// garbage writes past net/http, which would only write HTTP.
func (v *visit) garbage() {
	_, _ = v.conn.Conn.Write([]byte("\x16\x03\x01 this is no HTTP\r\n\r\n\x00\xff\xfe"))
	panic(http.ErrAbortHandler)
}

// hang waits for a change. Of a request with a body that nobody reads, net/http
// does not notice that its client left: it is held until then.
func (v *visit) hang(changed <-chan struct{}) {
	select {
	case <-changed:
	case <-v.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
