//go:build linux

package reactor

import "golang.org/x/sys/unix"

// spurn notes an event of octets that nobody is going to read now, since the one
// who is to take them does not keep up. From the second on the kernel is told to
// keep such events to itself: a sender that goes on until the buffers of the
// kernel are full would wake the loop for each of its segments. A FIN and a reset
// are still told.
func (l *leg) spurn() {
	if !l.spurned {
		l.spurned = true
		return
	}
	if !l.muted {
		l.muted = true
		rewatch(l.loop.epfd, int(l.fd), edge&^unix.EPOLLIN, l.gen)
	}
}

// unmute has events of octets told again, before those that are there are read.
func (l *leg) unmute() {
	l.spurned = false
	if l.muted {
		l.muted = false
		rewatch(l.loop.epfd, int(l.fd), edge, l.gen)
	}
}
