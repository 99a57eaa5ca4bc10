package engine

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// maxPlaces bounds how many places are remembered; a panic at one more is
// counted, without its stack.
const maxPlaces = 256

// Faults counts the panics of cores and remembers where they happened, so that
// the stack of each place is told once. The zero value is ready.
type Faults struct {
	n  atomic.Uint64
	mu sync.Mutex // guards the field below
	at map[string]bool
}

// Count returns how many there were.
func (f *Faults) Count() uint64 { return f.n.Load() }

// carried is a panic that was recovered on another stack, a coroutine's, and
// brings what it was there.
type carried interface {
	Origin() (value any, callers []uintptr, stack []byte)
}

// Note counts a panic with that value, and tells. It is called by the deferred
// function that recovered it.
func (f *Faults) Note(value any, tell func(where string, value any, stack []byte)) {
	f.n.Add(1)
	if tell == nil {
		return
	}
	var pcs [64]uintptr
	callers, there := pcs[:runtime.Callers(1, pcs[:])], []byte(nil)
	if c, ok := value.(carried); ok {
		value, callers, there = c.Origin()
	}
	where := panicPlace(callers)
	var stack []byte
	f.mu.Lock()
	if !f.at[where] && len(f.at) < maxPlaces {
		if f.at == nil {
			f.at = make(map[string]bool)
		}
		f.at[where] = true
		if stack = there; stack == nil {
			stack = debug.Stack()
		}
	}
	f.mu.Unlock()
	tell(where, value, stack)
}

// Abandon has a Core or a Flow that has panicked give back what it holds of what all
// connections share, such as its place at a server, where it can: by a method of
// that name, which is its last call. A driver calls it in place of all others.
func Abandon(c any) {
	defer func() { _ = recover() }() // it may be broken
	if a, ok := c.(interface{ Abandon() }); ok {
		a.Abandon()
	}
}

// panicPlace returns the file and line that panicked: the first frame below
// the runtime's own.
func panicPlace(callers []uintptr) string {
	frames := runtime.CallersFrames(callers)
	panicking := false
	for {
		f, more := frames.Next()
		own := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !own {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "unknown"
		}
	}
}
