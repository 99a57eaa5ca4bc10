package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/lab"
	"casbah/node"
)

// The times of a Sunday.
const (
	sundayDrain = 3 * time.Second        // from the order to maintenance
	sundayStart = time.Second            // slow_start
	sundayPause = 20 * time.Millisecond  // between the requests of a person
	sundayRest  = 500 * time.Millisecond // after which a connection may be found closed
)

// sunday is a site on which the servers are updated one after another, and people
// who use it meanwhile.
type sunday struct {
	*rig
	mail string // host:port of IMAP4
	id   identity

	over   chan struct{}
	people sync.WaitGroup
	asked  atomic.Int64 // requests
	fails  atomic.Int64
	moves  atomic.Int64 // logons at forms, but the first of each person
	byes   atomic.Int64
	said   sync.Mutex // guards the field below
	wrong  []string   // the first failures
}

func newSunday(t *testing.T, m mode) *sunday {
	t.Helper()
	s := &sunday{over: make(chan struct{}), id: newIdentity(t, t.TempDir())}
	array := newArray(t, lab.Options{Servers: 4, Mail: true}) // those of the rig have no mail
	var extra strings.Builder
	var mail []string
	for _, c := range array.Servers() {
		fmt.Fprintf(&extra, "[[server]]\nname = \"%s-mail\"\naddress = %q\n", c.Name(), c.MailAddr("imap4", false))
		mail = append(mail, fmt.Sprintf("\"%s-mail\"", c.Name()))
	}
	fmt.Fprintf(&extra, "[[pool]]\nname = \"mail\"\nservers = [%s]\n[[vip]]\nname = \"mail\"\ntype = \"tls\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"imap4\"]\npool = \"mail\"\n%s",
		strings.Join(mail, ", "), s.id.ofVIP())
	// EWS is bound by address here, so that each move of a session has a record.
	extra.WriteString("[[profile.ews.chain]]\nby = \"source_ip\"\n")
	s.rig = newRig(t, setup{
		mode: m, lab: lab.Options{Servers: 4, Hold: 300 * time.Millisecond},
		pool: fmt.Sprintf("slow_start = %q\n", sundayStart), profiles: `"owa", "ecp", "eas", "ews"`, extra: extra.String(),
	})
	s.mail = s.node.Addrs("mail")[0].String()
	return s
}

// lives has somebody do something again and again, until the day is over.
func (s *sunday) lives(do func() error) {
	s.people.Go(func() {
		for {
			select {
			case <-s.over:
				return
			default:
			}
			s.asked.Add(1)
			if err := do(); err != nil {
				s.fails.Add(1)
				s.said.Lock()
				if len(s.wrong) < 10 {
					s.wrong = append(s.wrong, err.Error())
				}
				s.said.Unlock()
			}
			time.Sleep(sundayPause)
		}
	})
}

// reader reads mail and options in a browser.
func (s *sunday) reader(n int) {
	name := fmt.Sprintf("reader%d", n)
	s.array.Users().Add(name, "Secret1")
	c := s.client(fmt.Sprintf("127.0.3.%d", n+1))
	first, path := true, 0
	s.lives(func() error {
		path++
		page := []string{"/owa/?page=2", "/ecp/"}[path%2]
		a, err := c.try("GET", page, "", "Accept", "text/html")
		if err != nil {
			return err
		}
		if strings.HasSuffix(a.path, "/logon.aspx") {
			if !first {
				s.moves.Add(1)
			}
			first = false
			form := "username=" + name + "&password=Secret1&destination=%2Fowa%2F"
			a, err = c.try("POST", "/owa/auth/owaauth.dll", form, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
		}
		if err == nil && (a.status != http.StatusOK || a.user != name) {
			err = fmt.Errorf("%s of %s: status %d as %q", page, name, a.status, a.user)
		}
		return err
	})
}

// phone waits for mail.
func (s *sunday) phone(n int) {
	name := fmt.Sprintf("phone%d", n)
	s.array.Users().Add(name, "Secret1")
	c := s.client(fmt.Sprintf("127.0.4.%d", n+1))
	s.lives(func() error {
		a, err := c.try("POST", "/Microsoft-Server-ActiveSync?Cmd=Ping&User="+name+"&DeviceId="+name, "", "Authorization", basicAuth(name, "Secret1"))
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("Ping of %s: status %d", name, a.status)
		}
		return err
	})
}

// outlook asks a web service over connections that it logs on to by NTLM.
func (s *sunday) outlook(n int) {
	name := fmt.Sprintf("outlook%d", n)
	s.array.Users().Add(name, "Secret1")
	source := fmt.Sprintf("127.0.5.%d", n+1)
	var w *wire
	var last time.Time
	s.lives(func() error {
		for {
			rested := w != nil && time.Since(last) > sundayRest
			if w == nil {
				conn, err := s.connect(source)
				if err != nil {
					return err
				}
				w = newWire(nil, conn)
				w.within(patience)
				if closes, err := ntlmLogon(w, name); closes || err != nil {
					_ = w.Close()
					if w = nil; err != nil {
						return err
					}
					continue
				}
			}
			a, closes, err := w.asksEWS("")
			last = time.Now()
			if err != nil || closes {
				_ = w.Close()
				w = nil
			}
			switch {
			case err != nil && rested:
				continue // it was closed at rest: a client asks again (RFC 9112, Section 9.3.1)
			case err != nil:
				return err
			case a.status != http.StatusOK || a.user != name:
				return fmt.Errorf("EWS of %s: status %d as %q", name, a.status, a.user)
			}
			return nil
		}
	})
}

// asksEWS sends a request to EWS with one more line, or none, and tells whether its
// answer is the last one of the connection.
func (w *wire) asksEWS(line string) (a answer, closes bool, err error) {
	if _, err := fmt.Fprintf(w, "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: h\r\n%s\r\n", line); err != nil {
		return answer{}, false, err
	}
	resp, _, err := w.answer("GET")
	if err != nil {
		return answer{}, false, err
	}
	return answer{status: resp.StatusCode, header: resp.Header, user: resp.Header.Get("X-Lab-User")}, resp.Close, nil
}

// ntlmLogon logs w on, and tells whether that was all that the connection is for.
func ntlmLogon(w *wire, name string) (closes bool, err error) {
	hello, err := ntlmType1("NTLM")
	if err != nil {
		return false, err
	}
	a, _, err := w.asksEWS("Authorization: " + hello + "\r\n")
	if err != nil {
		return false, err
	}
	proof, err := ntlmType3("NTLM", &http.Response{Header: a.header}, name, "Secret1")
	if err != nil {
		return false, err
	}
	if a, closes, err = w.asksEWS("Authorization: " + proof + "\r\n"); err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("logon of %s: status %d", name, a.status)
	}
	return closes, err
}

// idler has a mail program open that waits in IDLE, and connects anew when it is
// told good-bye.
func (s *sunday) idler() {
	s.lives(func() error {
		conn, err := dial(&net.Dialer{Timeout: patience}, s.mail, s.id.roots)
		if err != nil {
			return err
		}
		w := newWire(nil, conn)
		defer w.Close()
		go func() {
			<-s.over
			_ = w.Close()
		}()
		if _, err := io.WriteString(w, "a LOGIN alice Secret1\r\nb SELECT INBOX\r\nc IDLE\r\n"); err != nil {
			return err
		}
		for {
			line, err := w.in.ReadString('\n')
			switch {
			case strings.HasPrefix(line, "* BYE"):
				s.byes.Add(1)
				return nil
			case err != nil && errors.Is(err, net.ErrClosed):
				return nil // the day is over
			case err != nil:
				return fmt.Errorf("IMAP4: %w after %q, without a word", err, line)
			}
		}
	})
}

// update takes a server out, and back in.
func (s *sunday) update(name string) {
	s.t.Helper()
	members := []string{name, name + "-mail"}
	until := time.Now().Add(sundayDrain)
	for _, m := range members {
		s.orders(node.Command{State: "drain", Server: m, Firm: true, Until: until, Wait: time.Minute, Who: "anna", Why: "CU23"})
	}
	s.until(name+" is in maintenance, and nothing is open", func() bool {
		for _, m := range members {
			for _, v := range s.services(m) {
				if v.State != "maintenance" || v.Active != 0 {
					return false
				}
			}
		}
		return true
	})
	for _, m := range members {
		s.orders(node.Command{State: "ready", Server: m, Who: "anna", Why: "CU23 is on"})
	}
	s.until("slow start of "+name+" is over", func() bool {
		return time.Since(s.services(name)[0].Since) > sundayStart
	})
}

// Patch Sunday: four servers are updated one after another, drained firmly up to a
// time, while mail is read. Nobody's request fails; who reads mail in a browser logs
// on once more for each move; whoever moves has a record that says why; no session
// of mail ends without a word; and then new clients are shared evenly. S26 S27 S98.
func TestPatchSunday(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		s := newSunday(t, m)
		for n := range 6 {
			s.reader(n)
			s.phone(n)
			s.outlook(n)
			s.idler()
		}
		for _, c := range s.array.Servers() {
			s.update(c.Name())
		}
		// Those who have read mail so far are gone: least_conn would send new clients
		// where fewer of them wait for mail just now.
		close(s.over)
		s.people.Wait()
		shares := make(map[string]int)
		const fresh = 400
		for n := range fresh {
			shares[s.client(fmt.Sprintf("127.1.%d.%d", n/200, n%200+1)).do("OPTIONS", "/ews/Exchange.asmx", "").server]++
		}

		t.Logf("%d requests, %d failed; %d more logons at forms, %d farewells of IMAP4; new clients by server: %v",
			s.asked.Load(), s.fails.Load(), s.moves.Load(), s.byes.Load(), shares)
		if s.fails.Load() != 0 || s.asked.Load() < 100 {
			t.Errorf("%d of %d requests failed: %q", s.fails.Load(), s.asked.Load(), s.wrong)
		}
		if s.byes.Load() == 0 {
			t.Error("no session of mail was told good-bye")
		}
		if s.moves.Load() == 0 {
			t.Error("nobody who reads mail had to move")
		}
		even := float64(fresh) / 4
		for name, n := range shares {
			if off := float64(n) - even; off > 0.15*even || -off > 0.15*even {
				t.Errorf("%s gets %d of %d new clients; want %.0f within 15 %%", name, n, fresh, even)
			}
		}
		s.auditMoves()
	})
}

// auditMoves fails unless each move of a session has a reason, and each logon of a
// reader a move.
func (s *sunday) auditMoves() {
	s.t.Helper()
	_, records := s.accessLog()
	type session struct{ profile, client string }
	at := make(map[session]string)
	moved := int64(0)
	for _, rec := range records {
		host, _, _ := strings.Cut(rec.Client, ":")
		if rec.VIP != "plain" || rec.Server == "" || strings.HasPrefix(host, "127.1.") {
			continue
		}
		profile := rec.Profile
		if profile == "ecp" {
			profile = "owa" // one session
		}
		k := session{profile, host}
		if before := at[k]; before != "" && before != rec.Server {
			if rec.Why == nil || *rec.Why != "rebound_drain" {
				s.t.Errorf("%s of %s moves from %s to %s: %v; want rebound_drain", rec.Profile, host, before, rec.Server, rec.Why)
			}
			if profile == "owa" {
				moved++
			}
		}
		at[k] = rec.Server
	}
	if moved != s.moves.Load() {
		s.t.Errorf("%d new logons for %d moves", s.moves.Load(), moved)
	}
	for _, v := range []string{"plain", "mail"} {
		for end, n := range s.vipStatus(v).Ends {
			if n > 0 && (end == "kill" || end == "server" || end == "no_server" || end == "refused") {
				s.t.Errorf("%d on VIP %s ended with %s", n, v, end)
			}
		}
	}
}
