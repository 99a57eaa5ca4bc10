package lab

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// imapLogin dials IMAP4 of a CAS and logs in.
func imapLogin(t *testing.T, s *CAS, name string) *imapclient.Client {
	t.Helper()
	w := mailWire(t, s, "imap4", false)
	c := imapclient.New(w.Conn, nil)
	t.Cleanup(func() { c.Close() })
	if err := c.Login(name, "Secret1").Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Each CAS greets in its own name and has the mailbox of all: a message that comes
// while a client is there, on whichever one, is seen.
func TestIMAPSession(t *testing.T) {
	a := newArray(t, Options{Servers: 2, Mail: true})
	if got := mailWire(t, a.CAS(1), "imap4", false).line(); !strings.HasPrefix(got, "* OK [CAPABILITY IMAP4rev1 ") ||
		!strings.HasSuffix(got, " The Microsoft Exchange IMAP4 service is ready. [CAS2.lab.test]") {
		t.Errorf("greeting %q", got)
	}
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	one, two := imapLogin(t, a.CAS(0), `LAB\alice`), imapLogin(t, a.CAS(1), "alice@lab.test")
	if box, err := one.Select(inbox, nil).Wait(); err != nil || box.NumMessages != 2 {
		t.Fatalf("Select = %+v, %v; want 2 messages", box, err)
	}
	if err := a.DeliverMail("alice"); err != nil {
		t.Fatal(err)
	}
	if err := one.Noop().Wait(); err != nil || one.Mailbox().NumMessages != 3 {
		t.Errorf("after a message came: %+v, %v; want 3 messages", one.Mailbox(), err)
	}
	if box, err := two.Select(inbox, nil).Wait(); err != nil || box.NumMessages != 3 {
		t.Fatalf("Select = %+v, %v on the other CAS; want 3 messages", box, err)
	}
	body := &imap.FetchItemBodySection{}
	got, err := two.Fetch(imap.SeqSetNum(3), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{body}}).Collect()
	if err != nil || len(got) != 1 || string(got[0].FindBodySection(body)) != message("alice", 3) {
		t.Errorf("Fetch = %+v, %v; want %q", got, err, message("alice", 3))
	}
	for _, c := range []*imapclient.Client{one, two} {
		if err := c.Logout().Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := a.CAS(0).Counts(); n.Logons != 1 || n.Requests["imap4"] != 1 {
		t.Errorf("cas1 counted %+v", n)
	}
	c := imapclient.New(mailWire(t, a.CAS(0), "imap4", false).Conn, nil)
	defer c.Close()
	if err := c.Login("alice", "Secret2").Wait(); err == nil || a.CAS(0).Counts().Refused != 1 {
		t.Errorf("Login with another's password = %v, counted %+v", err, a.CAS(0).Counts())
	}
}

// A client can begin TLS on the way, and is not offered it within TLS.
func TestIMAPBeginsTLS(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Mail: true, TLS: true})
	c, err := imapclient.NewStartTLS(mailWire(t, a.CAS(0), "imap4", false).Conn, &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", "Secret1").Wait(); err != nil {
		t.Error(err)
	}
	if w := mailWire(t, a.CAS(0), "imap4", true); strings.Contains(w.line(), "STARTTLS") {
		t.Error("TLS is offered within TLS")
	}
}
