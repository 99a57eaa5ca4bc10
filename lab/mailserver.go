package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// mailIdleTime is how long a mail session may be silent, as in Exchange.
	mailIdleTime = 30 * time.Minute
	// mailLine is the longest line of a command, in octets with its end.
	mailLine = 4096
)

// mailProtocol is what a CAS speaks besides HTTP.
type mailProtocol struct {
	name   string // as faults, counters and casbah's profiles have it
	refuse string // greeting of a server that has no service to give
	serve  func(*mailConn)
}

// mailProtocols are all of them, in the order of their ports.
var mailProtocols = []mailProtocol{
	{"pop3", "-ERR service not available", servePOP3},
	{"imap4", "* BYE service not available", serveIMAP},
	{"smtp", "421 4.3.2 service not available", serveSMTP},
}

// mailPort is a port on which a CAS serves mail.
type mailPort struct {
	*mailProtocol
	secure  bool   // TLS from the first octet
	moves   bool   // another port after each Start
	address string // fixed by the first Start, unless it moves
}

// newMailPorts returns the ports of the i-th CAS; none without Options.Mail.
func (o Options) newMailPorts(i int) []mailPort {
	var ports []mailPort
	if !o.Mail {
		return nil
	}
	for p := range mailProtocols {
		ports = append(ports, mailPort{mailProtocol: &mailProtocols[p], address: o.listenAddress(i, 2+2*p)})
		if o.TLS {
			ports = append(ports, mailPort{mailProtocol: &mailProtocols[p], secure: true, address: o.listenAddress(i, 3+2*p)})
		}
	}
	return ports
}

// MailAddr returns the host and port for a protocol of mail: pop3, imap4 or smtp,
// in clear or in TLS from the first octet; and for one of RPC over TCP, by the name of
// casbah's profile. It is the same after Stop and Start, but for a data port of RPC,
// and "" where the array does not have it.
func (s *CAS) MailAddr(protocol string, secure bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.mail {
		if p := &s.mail[i]; p.name == protocol && p.secure == secure {
			return p.address
		}
	}
	return ""
}

// mailNames returns the protocols of mail that the CAS serves.
func (s *CAS) mailNames() []string {
	var names []string
	for i := range s.mail {
		if name := s.mail[i].name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// mailTLS takes clients of every protocol, whatever name they give to it.
func (a *Array) mailTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.cert}, MinVersion: tls.VersionTLS12}
}

// serveMail serves the connections of one port until its listener is closed.
func (s *CAS) serveMail(ctx context.Context, r *run, p *mailProtocol, l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return // it is closed; a lab on loopback needs to tell nothing else apart
		}
		c, ok := nc.(*conn)
		if !ok {
			panic("BUG: a connection that the listener did not make")
		}
		s.track(r, c, http.StateNew)
		go s.session(ctx, r, p, c)
	}
}

// session serves one connection; Stop waits for it.
func (s *CAS) session(ctx context.Context, r *run, p *mailProtocol, c *conn) {
	defer s.track(r, c, http.StateClosed)
	defer c.Close()
	s.counters.request(p.name)
	m := &mailConn{conn: c, cas: s, in: bufio.NewReaderSize(c, mailLine)}
	if s.sufferMail(ctx, m, p) {
		p.serve(m)
	}
}

// sufferMail applies the fault of a protocol to a new connection, and reports
// whether that may be served.
func (s *CAS) sufferMail(ctx context.Context, m *mailConn, p *mailProtocol) bool {
	for {
		f, changed := s.faults.of(p.name)
		switch f.kind {
		case healthy:
			return true
		case slow:
			return wait(ctx, f.delay)
		case resetting:
			if f.octets == 0 {
				m.reset()
				return false
			}
			m.cut.Store(f.octets)
			return true
		case status:
			m.say("%s", p.refuse)
			return false
		case garbage:
			m.say("\x16\x03\x01 this is no %s\r\n\x00\xff\xfe", p.name)
			return false
		case hang:
			if !m.hang(ctx, changed) {
				return false
			}
		}
	}
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// mailConn is one session of a mail protocol.
type mailConn struct {
	*conn
	cas *CAS
	in  *bufio.Reader
}

// hang is silent until the fault has changed, and reports whether the client is
// there still.
func (m *mailConn) hang(ctx context.Context, changed <-chan struct{}) bool {
	gone := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-changed:
			_ = m.SetReadDeadline(time.Unix(1, 0)) // ends Peek at once
		case <-gone:
		}
	})
	_, err := m.in.Peek(1)
	close(gone)
	watch.Wait()
	_ = m.SetReadDeadline(time.Time{})
	if err != nil {
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	select { // it talks before it is greeted, and must be patient
	case <-changed:
		return true
	case <-ctx.Done():
		return false
	}
}

// say sends one line. A client that left is noticed at the next command.
func (m *mailConn) say(format string, args ...any) {
	_, _ = fmt.Fprintf(m, format+"\r\n", args...)
}

// command reads one line: a word in upper case, and what follows it. False: the
// client left, or sent a line without end.
func (m *mailConn) command() (verb, rest string, ok bool) {
	if m.SetReadDeadline(time.Now().Add(mailIdleTime)) != nil {
		return "", "", false
	}
	line, err := m.in.ReadSlice('\n')
	if err != nil {
		return "", "", false
	}
	verb, rest, _ = strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	return strings.ToUpper(verb), rest, true
}

// begin puts TLS on the connection. What the client sent ahead of it is dropped:
// whoever stood between could have said it.
func (m *mailConn) begin(t *tls.Config) {
	m.Conn, m.secure = tls.Server(m.raw, t), true
	m.in.Reset(m.conn)
}

// canBegin reports whether TLS can begin.
func (m *mailConn) canBegin() bool { return m.cas.array.options.TLS && !m.secure }

// login checks a name and a password, and counts.
func (m *mailConn) login(name, password string) (user string, ok bool) {
	user, ok = m.cas.array.users.check(name, password)
	if ok {
		m.cas.counters.logons.Add(1)
	} else {
		m.cas.counters.refused.Add(1)
	}
	return user, ok
}

// body reads the lines of a message up to the one that is a dot, and counts
// their octets; false if the client left, or there are more than most.
func (m *mailConn) body(most int64) (octets int64, ok bool) {
	begin := true // of a line
	for octets <= most {
		p, err := m.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return octets, false
		}
		if text := strings.TrimRight(string(p), "\r\n"); begin && err == nil && text == "." {
			return octets, true
		}
		begin = err == nil
		octets += int64(len(p))
	}
	return octets, false
}
