//go:build linux

package reactor

import (
	"testing"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// A socket of which nothing can be accepted any more does not keep the loop busy.
func TestBrokenSocketIsLeftAlone(t *testing.T) {
	r := newRig(t, &engine.Listener{New: enginetest.Echo})
	fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) // readable, and no socket
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	r.on(func(lp *loop) {
		lp.acceptors[fd] = &acceptor{fd: fd, ln: new(engine.Listener), fail: func(error) { told++ }}
		if errno := watch(lp.epfd, fd, unix.EPOLLIN, 0); errno != 0 {
			t.Error(errno)
		}
	})
	for range 10 {
		r.on(func(*loop) {})
	}
	r.on(func(lp *loop) {
		if told != 1 {
			t.Errorf("told of it %d times; want once", told)
		}
		lp.unlisten(fd)
	})
}
