package lab

import (
	"sync"

	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// mailstore is what all CAS share: the mailboxes behind them.
type mailstore struct {
	mu    sync.Mutex // guards the field below
	boxes map[string]*mailbox
}

// mailbox counts the messages of one user.
type mailbox struct {
	total int
	news  chan struct{}       // closed and replaced when a message comes
	seen  map[string]int      // by device: how many messages it has fetched
	imap  *imapmemserver.User // nil until IMAP4 has looked at it
}

// maxDevices bounds how many devices of one user are remembered.
const maxDevices = 1024

func newMailstore() *mailstore {
	return &mailstore{boxes: make(map[string]*mailbox)}
}

// box returns the mailbox of a user. The lock is held.
func (m *mailstore) box(user string) *mailbox {
	b := m.boxes[user]
	if b == nil {
		b = &mailbox{news: make(chan struct{}), seen: make(map[string]int)}
		m.boxes[user] = b
	}
	return b
}

func (m *mailstore) deliver(user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(user)
	b.total++
	b.appendIMAP(user, 1+b.total)
	close(b.news)
	b.news = make(chan struct{})
}

// watch returns how many messages a user has, and a channel that is closed when
// there are more.
func (m *mailstore) watch(user string) (total int, news <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(user)
	return b.total, b.news
}

// seenBy returns how many messages a device has fetched. A device that is new
// starts with what is there, so that its first Ping waits.
func (m *mailstore) seenBy(user, device string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(user)
	n, ok := b.seen[device]
	if !ok {
		n = b.total
		b.remember(device)
	}
	return n
}

// fetch lets a device catch up and returns how many messages it had missed.
func (m *mailstore) fetch(user, device string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(user)
	missed := b.total - b.seen[device]
	b.remember(device)
	return missed
}

func (b *mailbox) remember(device string) {
	if _, ok := b.seen[device]; !ok && len(b.seen) >= maxDevices {
		clear(b.seen)
	}
	b.seen[device] = b.total
}
