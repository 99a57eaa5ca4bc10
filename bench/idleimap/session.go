package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// session is one session of a client.
type session struct {
	conn  net.Conn
	in    *bufio.Reader
	idles bool // it waits in IDLE
	lost  bool // something went wrong with it
}

// String says what kind of session it is.
func (s *session) String() string {
	how, leg := "silent", "in clear"
	if s.idles {
		how = "in IDLE"
	}
	if _, ok := s.conn.(*tls.Conn); ok {
		leg = "in TLS"
	}
	return how + ", " + leg
}

// open connects, logs in, opens the INBOX and waits there.
func open(ctx context.Context, address string, trust *tls.Config, idles bool) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	plain := &net.Dialer{KeepAlive: -1} // a phone says nothing
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = plain
	if trust != nil {
		dialer = &tls.Dialer{NetDialer: plain, Config: trust}
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, in: bufio.NewReaderSize(conn, 512), idles: idles}
	s.within(patience)
	err = s.reads("* OK")
	for i, command := range []string{"LOGIN alice Secret1", "SELECT INBOX"} {
		if err == nil {
			err = s.asks(fmt.Sprintf("a%d", i), command)
		}
	}
	if err == nil {
		err = s.waits()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) within(d time.Duration) { _ = s.conn.SetDeadline(time.Now().Add(d)) }

// reads reads lines until one begins so.
func (s *session) reads(begin string) error {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, begin) {
			return nil
		}
		if !strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "* BYE") {
			return fmt.Errorf("want %s, got %q", begin, line)
		}
	}
}

func (s *session) asks(tag, command string) error {
	if _, err := io.WriteString(s.conn, tag+" "+command+"\r\n"); err != nil {
		return err
	}
	return s.reads(tag + " OK")
}

// waits begins IDLE, if that is how the session waits.
func (s *session) waits() error {
	if !s.idles {
		return nil
	}
	if _, err := io.WriteString(s.conn, "i IDLE\r\n"); err != nil {
		return err
	}
	return s.reads("+")
}

// rests is silent until a time, and returns what ended that before.
func (s *session) rests(until time.Time) error {
	_ = s.conn.SetReadDeadline(until)
	_, err := s.in.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err == nil {
		line, _ := s.in.ReadString('\n')
		err = fmt.Errorf("hears %q", line)
	}
	return fmt.Errorf("%v ahead of the end: %w", time.Until(until).Round(time.Minute), err)
}

// works has the server answer once more.
func (s *session) works() error {
	s.within(patience)
	if !s.idles {
		return s.asks("n", "NOOP")
	}
	if _, err := io.WriteString(s.conn, "DONE\r\n"); err != nil {
		return err
	}
	if err := s.reads("i OK"); err != nil {
		return err
	}
	return s.waits()
}

// leave is how casbah ended a session.
type leave struct {
	bye time.Duration // from SIGTERM to the BYE
	err error         // nil: a BYE, and then the end of the connection
}

// leaves reads all that comes behind SIGTERM.
func (s *session) leaves(stopped time.Time) (l leave) {
	_ = s.conn.SetReadDeadline(stopped.Add(patience))
	if l.err = s.readsBye(); l.err != nil {
		return l
	}
	l.bye = time.Since(stopped)
	switch rest, err := io.ReadAll(s.in); {
	case errors.Is(err, syscall.ECONNRESET):
		l.err = errors.New("reset behind BYE")
	case err != nil:
		l.err = fmt.Errorf("behind BYE: %w", err)
	case len(rest) > 0:
		l.err = fmt.Errorf("%q behind BYE", rest)
	}
	return l
}

func (s *session) readsBye() error {
	line, err := s.in.ReadString('\n')
	switch {
	case err != nil:
		return fmt.Errorf("no BYE: %w", err)
	case !strings.HasPrefix(line, "* BYE"):
		return fmt.Errorf("no BYE, but %q", line)
	}
	return nil
}
