package e2e

import (
	"fmt"
	"sync"
)

// breaches is how many breaches are told in words.
const breaches = 8

// ledger is what all storms of one test share: whose the servers' connections
// are, and what went wrong.
type ledger struct {
	mu      sync.Mutex       // guards the fields below
	time    int              // counts what was taken down
	calls   int              // client connections opened
	owners  map[string]claim // by server connection that carries an identity
	users   map[string]int   // by server connection: the client connection that used it last
	shared  int              // server connections that changed hands
	logons  int              // that succeeded
	refused int              // wrong passwords that were refused
	large   int              // bodies of a megabyte
	lost    int              // requests lost to a server that stopped
	broken  int              // breaches
	words   []string         // of the first breaches
	foreign bool             // a breach was another user's name
}

// claim says whose a server's connection is.
type claim struct {
	call int // the client connection
	time int // of the ledger, when that was taken down
}

func newLedger() *ledger { return &ledger{owners: map[string]claim{}, users: map[string]int{}} }

// now returns the time of the ledger.
func (l *ledger) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.time
}

func (l *ledger) breach(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken++; len(l.words) < breaches {
		l.words = append(l.words, fmt.Sprintf(format, args...))
	}
}

// stats returns how many breaches there were, and whether one was another's name.
func (l *ledger) stats() (broken int, foreign bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken, l.foreign
}

// note counts something.
func (l *ledger) note(n *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

// served takes down that client connection call was answered on a connection of
// a server, which carries an identity from now on or does not. It returns who
// owned that connection when the request was sent, if that is somebody else.
// What is taken down later may have happened before.
func (l *ledger) served(conn string, call, sent int, carries bool) (owner int, foreign bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time++
	if last, ok := l.users[conn]; ok && last != call {
		l.shared++
	}
	l.users[conn] = call
	c, claimed := l.owners[conn]
	if carries && !claimed {
		l.owners[conn] = claim{call, l.time}
	}
	return c.call, claimed && c.call != call && (carries || c.time <= sent)
}

// misnamed is a breach in which a request got a name, or none, where another was
// due. Getting the name of somebody else is the worst of them.
func (l *ledger) misnamed(name, want, format string, args ...any) {
	l.breach(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.foreign = l.foreign || name != "" && name != want
}
