package lab

import (
	"bytes"
	"io"
	"log"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// inbox is where messages come to.
const inbox = "INBOX"

// imapUser returns the IMAP4 mailboxes of a user, which all CAS share. The lock is
// held.
func (b *mailbox) imapUser(user string) *imapmemserver.User {
	if b.imap == nil {
		b.imap = imapmemserver.NewUser(user, "") // passwords are checked ahead of it
		if err := b.imap.Create(inbox, nil); err != nil {
			panic("BUG: " + err.Error()) // of a user who has nothing yet
		}
		for n := 1; n <= 1+b.total; n++ {
			b.appendIMAP(user, n)
		}
	}
	return b.imap
}

// appendIMAP puts the n-th message into the INBOX, if that was ever looked at. The
// lock is held.
func (b *mailbox) appendIMAP(user string, n int) {
	if b.imap == nil {
		return
	}
	// A user may have taken the INBOX away; then it is gone.
	_, _ = b.imap.Append(inbox, literal{strings.NewReader(message(user, n))}, &imap.AppendOptions{Time: messageTime(n)})
}

// literal is a text with its length.
type literal struct{ *strings.Reader }

// imapOf returns the IMAP4 mailboxes of a user.
func (m *mailstore) imapOf(user string) *imapmemserver.User {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.box(user).imapUser(user)
}

// imapSession is one session of IMAP4, with the mailboxes of a user once one has
// logged in: the library asks for nothing of theirs before.
type imapSession struct {
	*imapmemserver.UserSession // nil before the login
	conn                       *mailConn
}

// Login opens the mailboxes of a user.
func (s *imapSession) Login(name, password string) error {
	user, ok := s.conn.login(name, password)
	if !ok {
		return imapserver.ErrAuthFailed
	}
	s.UserSession = imapmemserver.NewUserSession(s.conn.cas.array.mail.imapOf(user))
	return nil
}

// serveIMAP serves one connection by the library, which accepts it from a listener
// of its own and tells when the session is over.
func serveIMAP(m *mailConn) {
	over := make(chan struct{})
	options := &imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{conn: m}, nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapMove: {}},
		Logger:       log.New(io.Discard, "", 0), //nolint:forbidigo // the library takes no other logger
		InsecureAuth: true,                       // the VIP of `casbah lab` is plain, as ports 110 and 143 are
	}
	if m.canBegin() {
		options.TLSConfig = m.cas.array.mailTLS()
	}
	greeting := []byte("The Microsoft Exchange IMAP4 service is ready. [" + m.cas.FQDN() + "]")
	c := &greetingConn{Conn: m, in: m.in, greeting: greeting, over: over}
	l := &oneListener{conn: c, address: m.LocalAddr()}
	server := imapserver.New(options)
	_ = server.Serve(l) // it ends at once, as there is one connection
	<-over
}

// greetingConn is a connection whose greeting names its server.
type greetingConn struct {
	net.Conn
	in       io.Reader // what the client has said already comes first
	greeting []byte    // nil once it has left

	once sync.Once
	over chan struct{} // closed by Close
}

func (c *greetingConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// Write writes p, in the first line of which the library greets in its own name.
func (c *greetingConn) Write(p []byte) (int, error) {
	out := p
	if c.greeting != nil {
		out = bytes.Replace(p, []byte("IMAP server ready"), c.greeting, 1)
		c.greeting = nil
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close tells that the session is over.
func (c *greetingConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.over) })
	return err
}

// oneListener accepts one connection.
type oneListener struct {
	conn    net.Conn
	address net.Addr
}

func (l *oneListener) Accept() (net.Conn, error) {
	c := l.conn
	if l.conn = nil; c == nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (*oneListener) Close() error { return nil }

func (l *oneListener) Addr() net.Addr { return l.address }
