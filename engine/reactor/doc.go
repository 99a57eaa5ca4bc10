//go:build linux

// Package reactor drives protocol cores by event loops: one loop for each core
// of the machine, edge-triggered epoll, no goroutine per connection.
//
// The rules of a loop, and why each holds:
//
//   - A connection lives and dies on the loop that accepted it, with its
//     upstream connections and those that are parked: nothing of it is locked.
//   - Nothing on a loop blocks. One connection that waited would stop thousands:
//     no name is resolved here, no file written, no lock taken that somebody
//     holds for longer than a look.
//   - A descriptor is registered once, for everything, edge-triggered: there is
//     no system call to change what is waited for. So a leg remembers that it
//     may be readable (hot) until a read has shown that it is empty, which a
//     short read does, unless the peer has closed (hup): its FIN is announced
//     together with its last octets, and not again. The one exception is a leg
//     whose octets nobody takes for now (mute.go).
//   - A turn reads first and writes last. What a turn sends to a leg leaves in
//     one system call, and what several legs are sent leaves one after the
//     other. Long pieces alone are written at once, rather than copied.
//   - Octets are read into a scratch buffer of the loop. A leg holds memory only
//     for what its core has left unused and for what its socket has not taken.
//   - Deadlines are numbers on a wheel (wheel.go) that the loop sweeps; to move
//     one costs nothing.
//   - TLS is crypto/tls over memory (internal/tlsbio). A handshake is a
//     coroutine that makes one step in a turn, so a flood of handshakes delays
//     plain traffic by one step at a time. No more is read for it before its step.
//   - What concerns a loop from outside (listeners, drain, stop) is posted to it
//     and done by itself, between two events.
//   - A core's call to its driver only notes what is due; so it is never
//     re-entered. A panic of a core ends its connection, and the loop goes on
//     with the next event.
package reactor
