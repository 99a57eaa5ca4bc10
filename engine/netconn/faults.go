package netconn

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

// faults counts the panics of cores and remembers where they happened, so that
// the stack of each place is logged once.
type faults struct {
	n  atomic.Uint64
	mu sync.Mutex // guards the field below
	at map[string]bool
}

// note counts a panic with that value, and tells. It is called by the deferred
// function that recovered it.
func (f *faults) note(value any, tell func(where string, value any, stack []byte)) {
	f.n.Add(1)
	if tell == nil {
		return
	}
	where := panicPlace()
	var stack []byte
	f.mu.Lock()
	if !f.at[where] && len(f.at) < maxPlaces {
		if f.at == nil {
			f.at = make(map[string]bool)
		}
		f.at[where] = true
		stack = debug.Stack()
	}
	f.mu.Unlock()
	tell(where, value, stack)
}

// panicPlace returns the file and line that panicked: the first frame below
// the runtime's own.
func panicPlace() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
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
