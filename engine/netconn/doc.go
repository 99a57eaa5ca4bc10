// Package netconn drives protocol cores over net.Conn: a goroutine reads each
// leg, and the core runs under the mutex of its connection.
//
// A turn is one stay under that mutex: an event is noted on its leg (octets
// came, a dial ended, output left), the core is called until nothing is due
// any more, and the mutex is let go. Only then is written what the turn sent,
// by the goroutine whose turn it was; so a write never happens under the mutex,
// what one turn sends to a leg leaves in one system call, and a slow peer stops
// the reader that feeds it. Each leg has one writer at a time: who finds one at
// work leaves its octets to it.
//
// What a core calls on its driver only notes what is due; so it is never
// re-entered.
//
// An idle leg holds no buffer where the platform lets a goroutine wait for a
// socket without one.
package netconn
