package lab

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"
)

// mailWire dials a port of mail.
func mailWire(t *testing.T, s *CAS, protocol string, secure bool) *wire {
	t.Helper()
	c, err := net.Dial("tcp", s.MailAddr(protocol, secure))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return &wire{t, c, bufio.NewReader(c)}
}

// talk says lines and wants an answer to each, which may be its begin.
func (w *wire) talk(exchange ...string) {
	w.t.Helper()
	for i := 0; i < len(exchange); i += 2 {
		w.write(exchange[i] + "\r\n")
		if got := w.line(); !strings.HasPrefix(got, exchange[i+1]) {
			w.t.Errorf("%q is answered with %q; want %q", exchange[i], got, exchange[i+1])
		}
	}
}

// multi reads lines up to the one that is a dot.
func (w *wire) multi() (lines []string) {
	w.t.Helper()
	for {
		line := w.line()
		if line == "." {
			return lines
		}
		lines = append(lines, line)
	}
}

func TestPOP3Session(t *testing.T) {
	a := newArray(t, Options{Servers: 2, Mail: true})
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	size := len(message("alice", 1))
	w := mailWire(t, a.CAS(1), "pop3", false)
	if got, want := w.line(), "+OK The Microsoft Exchange POP3 service is ready. [CAS2.lab.test]"; got != want {
		t.Errorf("greeting %q; want %q", got, want)
	}
	w.talk("STAT", "-ERR", "PASS Secret1", "-ERR", "STLS", "-ERR", "USER alice", "+OK", "PASS Secret2", "-ERR Logon failure",
		"PASS Secret1", "-ERR", "capa", "+OK")
	if got := w.multi(); !slices.Contains(got, "UIDL") || slices.Contains(got, "STLS") {
		t.Errorf("capabilities %q", got)
	}
	w.talk("USER LAB\\alice", "+OK", "PASS Secret1", "+OK", "USER bob", "-ERR",
		"STAT", fmt.Sprintf("+OK 2 %d", 2*size), "LIST 2", fmt.Sprintf("+OK 2 %d", size), "UIDL 1", "+OK 1 alice-1",
		"LIST 3", "-ERR", "RETR 0", "-ERR", "RETR x", "-ERR", "DELE 1", "-ERR", "NOOP", "+OK", "LIST", "+OK")
	if got, want := w.multi(), []string{fmt.Sprint("1 ", size), fmt.Sprint("2 ", size)}; !slices.Equal(got, want) {
		t.Errorf("LIST %q; want %q", got, want)
	}
	w.talk("RETR 2", "+OK")
	if got, want := strings.Join(w.multi(), "\r\n")+"\r\n", message("alice", 2); got != want {
		t.Errorf("RETR 2 = %q; want %q", got, want)
	}
	w.talk("TOP 1 0", "+OK")
	if got := w.multi(); got[len(got)-1] != "" || !slices.Contains(got, "Subject: Message 1") {
		t.Errorf("TOP 1 0 = %q", got)
	}
	w.talk("QUIT", "+OK")
	if _, err := w.r.ReadByte(); err != io.EOF {
		t.Errorf("after QUIT: %v; want %v", err, io.EOF)
	}
}

func TestSMTPSession(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Mail: true})
	w := mailWire(t, a.CAS(0), "smtp", false)
	if got := w.line(); !strings.HasPrefix(got, "220 CAS1.lab.test ") {
		t.Errorf("greeting %q", got)
	}
	w.talk("MAIL FROM:<>", "503", "HELO x", "250 CAS1.lab.test", "STARTTLS", "502", "DATA", "503", "RCPT TO:<alice>", "503", "EHLO x", "250-CAS1.lab.test")
	for !strings.HasPrefix(w.line(), "250 ") {
	}
	w.talk("mail from:<bob@lab.test>", "250", "RCPT TO:<alice@lab.test>", "250", "DATA", "354")
	w.write("Subject: x\r\n\r\n" + strings.Repeat("y", 2*mailLine) + ".\r\n..\r\n")
	w.talk(".", "250 2.6.0", "RSET", "250", "VRFY alice", "252", "NOOP", "250", "TURN", "500", "QUIT", "221")
}

// The client of the standard library sends mail over TLS that begins on the way.
func TestSMTPTakesMail(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Mail: true, TLS: true})
	c, err := smtp.Dial(a.CAS(0).MailAddr("smtp", false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		t.Error("TLS is offered within TLS")
	}
	if err := c.Mail("bob@lab.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("alice@lab.test"); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "Subject: x\r\n\r\n.\r\n")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

// Stop resets sessions of mail and closes the ports; Start opens the same ones.
func TestMailStopsWithItsServer(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Mail: true, TLS: true})
	s := a.CAS(0)
	before := make(map[string]string)
	for _, name := range s.mailNames() {
		for _, secure := range []bool{false, true} {
			w := mailWire(t, s, name, secure)
			w.line()
			before[fmt.Sprint(name, secure)] = s.MailAddr(name, secure)
			defer func() {
				if _, err := w.r.ReadByte(); err == nil || err == io.EOF {
					t.Errorf("a session of %s ended with %v; want a reset", name, err)
				}
			}()
		}
	}
	s.Stop()
	if n := s.Counts().Open; n != 0 {
		t.Errorf("%d connections are open after Stop", n)
	}
	for _, address := range before {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Errorf("%s is open after Stop", address)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, name := range s.mailNames() {
		for _, secure := range []bool{false, true} {
			if now := s.MailAddr(name, secure); now != before[fmt.Sprint(name, secure)] {
				t.Errorf("%s is on %s after Start", name, now)
			}
			mailWire(t, s, name, secure).line()
		}
	}
}

// Ports follow those of HTTP, kind by kind.
func TestMailPorts(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		i    int
		want []string
	}{
		{Options{Servers: 3, Host: "127.0.0.1", Port: 9000}, 0, nil},
		{Options{Servers: 3, Host: "127.0.0.1", Port: 9000, Mail: true}, 1, []string{"pop3 127.0.0.1:9007", "imap4 127.0.0.1:9013", "smtp 127.0.0.1:9019"}},
		{Options{Servers: 3, Host: "127.0.0.1", Port: 9000, Mail: true, TLS: true}, 2, []string{
			"pop3 127.0.0.1:9008", "pop3 127.0.0.1:9011 tls", "imap4 127.0.0.1:9014", "imap4 127.0.0.1:9017 tls",
			"smtp 127.0.0.1:9020", "smtp 127.0.0.1:9023 tls",
		}},
		{Options{Servers: 3, Host: "127.0.0.1", Mail: true}, 1, []string{"pop3 127.0.0.1:0", "imap4 127.0.0.1:0", "smtp 127.0.0.1:0"}},
	} {
		var got []string
		for _, p := range tt.o.newMailPorts(tt.i) {
			text := p.name + " " + p.address
			if p.secure {
				text += " tls"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("ports of CAS %d with %+v: %q; want %q", tt.i, tt.o, got, tt.want)
		}
	}
}

// A client that talks before it is greeted by a hanging server, and one that
// leaves, are waited for by nobody.
func TestMailHang(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Mail: true})
	s := a.CAS(0)
	if err := s.Fault("pop3", Hang()); err != nil {
		t.Fatal(err)
	}
	leaving := mailWire(t, s, "pop3", false)
	until(t, "the first client is there", func() bool { return s.Counts().Open == 1 })
	leaving.Close()
	until(t, "the first client is gone", func() bool { return s.Counts().Open == 0 })
	talking := mailWire(t, s, "pop3", false)
	talking.write("QUIT\r\n")
	until(t, "the second client is there", func() bool { return s.Counts().Open == 1 })
	s.Heal("pop3")
	if got := talking.line() + talking.line(); !strings.HasPrefix(got, "+OK") || !strings.HasSuffix(got, "signing off.") {
		t.Errorf("healed, it says %q", got)
	}
}
