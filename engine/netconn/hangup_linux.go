package netconn

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hangups tells the readers of sockets that their peer has closed.
//
// The runtime's poller is edge-triggered. A reader that sleeps after a short
// read, instead of asking the socket once more, saves a system call of the
// three that each message costs it; but a FIN that came together with the last
// octets was announced with them, and is not announced again. So FINs have an
// epoll instance of their own, which hears of nothing else.
//
// One that the system refuses leaves readers to ask once more.
type hangups struct {
	once    sync.Once
	poll    *os.File       // the epoll instance, itself polled by the runtime; nil: none
	running sync.WaitGroup // the watcher

	mu       sync.Mutex // guards the fields below
	sockets  map[uint64]*socket
	last     uint64 // token given last
	watching bool   // the watcher is at work, which it is while there are sockets
}

// open makes the epoll instance at the first use.
func (h *hangups) open() {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	// Non-blocking, or os.File would not give it to the runtime's poller.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return
	}
	h.sockets = make(map[uint64]*socket)
	h.poll = os.NewFile(uintptr(fd), "epoll")
}

// add watches s, which has not been read yet, and reports whether it can.
func (h *hangups) add(s *socket) bool {
	h.once.Do(h.open)
	if h.poll == nil {
		return false
	}
	h.mu.Lock()
	h.last++
	s.token = h.last
	h.sockets[s.token] = s
	if !h.watching {
		h.watching = true
		_ = h.poll.SetReadDeadline(time.Time{})
		h.running.Go(h.watch)
	}
	h.mu.Unlock()
	watching := false
	_ = s.raw.Control(func(fd uintptr) {
		watching = h.control(int(fd), s.token) == nil
	})
	if !watching {
		h.remove(s)
	}
	return watching
}

// control has the kernel report the end of fd's peer under that token. The
// socket leaves the instance when it is closed.
func (h *hangups) control(fd int, token uint64) error {
	raw, err := h.poll.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(epfd uintptr) {
		failed = unix.EpollCtl(int(epfd), unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
			Events: unix.EPOLLRDHUP | unix.EPOLLET,
			Fd:     int32(token), Pad: int32(token >> 32),
		})
	})
	if failed != nil {
		return failed
	}
	return err
}

// close ends the watch. No socket is left, and none comes.
func (h *hangups) close() {
	h.running.Wait()
	if h.poll != nil {
		_ = h.poll.Close()
	}
}

// remove forgets s. Without sockets the watcher goes.
func (h *hangups) remove(s *socket) {
	h.mu.Lock()
	delete(h.sockets, s.token)
	if len(h.sockets) == 0 {
		_ = h.poll.SetReadDeadline(time.Unix(1, 0))
	}
	h.mu.Unlock()
}

// watch wakes readers until no socket is left.
func (h *hangups) watch() {
	raw, err := h.poll.SyscallConn()
	for err == nil {
		var events [64]unix.EpollEvent
		n := 0
		err = raw.Read(func(epfd uintptr) bool {
			n, _ = unix.EpollWait(int(epfd), events[:], 0)
			return n > 0
		})
		for i := range events[:max(n, 0)] {
			h.wake(uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32)
		}
		if err != nil && h.needed() {
			err = nil
		}
	}
}

// needed reports whether the watcher must go on, and takes back the deadline
// that woke it if so.
func (h *hangups) needed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sockets) == 0 {
		h.watching = false
		return false
	}
	_ = h.poll.SetReadDeadline(time.Time{})
	return true
}

// wake has the reader of the socket read on to the end.
func (h *hangups) wake(token uint64) {
	h.mu.Lock()
	defer h.mu.Unlock() // a reader that has left sets deadlines of its own
	if s := h.sockets[token]; s != nil {
		s.hungUp.Store(true)
		_ = s.SetReadDeadline(time.Unix(1, 0))
	}
}
