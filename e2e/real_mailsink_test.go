package e2e

import (
	"bufio"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// mailSink takes mail by SMTP from the servers behind casbah, and keeps it.
type mailSink struct {
	address string

	mu    sync.Mutex // guards the field below
	mails []string
}

func newMailSink(t *testing.T) *mailSink {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailSink{address: ln.Addr().String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		work.Wait() // the servers have ended before, and with them their connections
	})
	return s
}

func (s *mailSink) serve(conn net.Conn) {
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	for answer := "220 sink"; ; {
		if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
			return
		}
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		answer = "250 ok"
		if strings.EqualFold(line, "DATA") {
			if _, err := io.WriteString(conn, "354 go\r\n"); err != nil {
				return
			}
			mail, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			s.keep(string(mail))
		}
	}
}

func (s *mailSink) keep(mail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, mail)
}

// all returns the mail that has come, one behind the other.
func (s *mailSink) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.mails, "\n")
}
