package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"casbah/balance"
	"casbah/health"
	"casbah/lab"
	"casbah/profiles"
)

// mailPool is a pool of one server with the VIPs of a test behind it.
const mailPool = "[[server]]\nname = \"cas1\"\naddress = %q\n[[pool]]\nname = \"cas\"\nservers = [\"cas1\"]\n"

// What a profile says becomes a probe: of its own protocol, in TLS on the ports
// where servers begin with it and casbah has none of its own.
func TestMailProbeOfAProfile(t *testing.T) {
	const submission = "[profile.submission]\nprotocol = \"tcp\"\nports = [587, 465]\n[profile.submission.probe]\nkind = \"smtp\"\n"
	for _, tt := range []struct {
		name, profile, listen, extra string
		kind, text                   string
		tls                          bool
	}{
		{"pop3", "pop3", "127.0.0.1:110", "", "*health.POP3Probe", "POP3 greeting, CAPA", false},
		{"pop3s", "pop3", "127.0.0.1:995", "", "*health.POP3Probe", "POP3 greeting, CAPA", true},
		{"imap4", "imap4", "127.0.0.1:143", "", "*health.IMAPProbe", "IMAP4 greeting, CAPABILITY", false},
		{"imap4s", "imap4", "127.0.0.1:993", "", "*health.IMAPProbe", "IMAP4 greeting, CAPABILITY", true},
		{"submission", "submission", "127.0.0.1:587", submission, "*health.SMTPProbe", "SMTP greeting, EHLO", false},
		{"submissions", "submission", "127.0.0.1:465", submission, "*health.SMTPProbe", "SMTP greeting, EHLO", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			snap, _ := built(t, fmt.Sprintf(mailPool, "192.0.2.11")+tcpVIP("mail", tt.listen, tt.profile)+tt.extra)
			probe := newProbe(&snap.plans[0])
			if got := fmt.Sprintf("%T", probe); got != tt.kind {
				t.Errorf("the probe is a %s; want a %s", got, tt.kind)
			}
			if got := probeText(&snap.plans[0].probe); got != tt.text {
				t.Errorf("the probe is called %q; want %q", got, tt.text)
			}
			if got := passedTLS(snap.plans[0].endpoint) != nil; got != tt.tls {
				t.Errorf("the probe begins with TLS: %v; want %v", got, tt.tls)
			}
		})
	}
	for kind, text := range map[string]string{"pop3": "POP3 greeting, login, STAT", "imap": "IMAP4 greeting, login, NOOP"} {
		w := plan{probe: profiles.Probe{Kind: kind, User: "probe", Password: "Secret1"}, endpoint: &balance.Endpoint{Target: "cas1:110"}}
		var got health.Account
		switch p := newProbe(&w).(type) {
		case *health.POP3Probe:
			got = p.Account
		case *health.IMAPProbe:
			got = p.Account
		}
		if want := (health.Account{User: "probe", Password: "Secret1"}); got != want {
			t.Errorf("the probe %s logs in as %+v; want %+v", kind, got, want)
		}
		if got := probeText(&w.probe); got != text {
			t.Errorf("the probe %s that logs in is called %q; want %q", kind, got, text)
		}
	}
	if passedTLS(&balance.Endpoint{Target: "no port"}) != nil {
		t.Error("a target without a port begins with TLS")
	}
}

// mailRig is a node in front of the mail of one simulated server, which it asks
// with an account whose password stands in a file.
type mailRig struct {
	*rig
	array    *lab.Array
	password string // path of the file
}

func newMailRig(t *testing.T, profile, kind string) *mailRig {
	t.Helper()
	array, err := lab.NewArray(lab.Options{Servers: 1, Mail: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(array.Close)
	dir := t.TempDir()
	m := &mailRig{array: array, password: filepath.Join(dir, "probe.words")}
	m.words(t, "Secret1")
	m.rig = newRig(t, dir, fmt.Sprintf(mailPool, array.CAS(0).MailAddr(profile, false))+tcpVIP("mail", "127.0.0.1:0", profile)+
		fmt.Sprintf("[profile.%s.probe]\nkind = %q\nuser = \"LAB\\\\alice\"\npassword_file = \"probe.words\"\ninterval = \"100ms\"\ntimeout = \"90ms\"\nrise = 1\nfall = 1\n", profile, kind))
	return m
}

func (m *mailRig) words(t *testing.T, password string) {
	t.Helper()
	if err := os.WriteFile(m.password, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// service returns the one service.
func (m *mailRig) service() ServiceStatus { return m.Status().Pools[0].Servers[0].Services[0] }

// S13, S14: a service is up while its account can log in, and the password that a
// reload reads is the one that counts. It is seen nowhere.
func TestMailProbeLogsIn(t *testing.T) {
	for _, tt := range []struct{ profile, kind, refused string }{
		{"pop3", "pop3", "Logon failure"},
		{"imap4", "imap", "AUTHENTICATIONFAILED"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			m := newMailRig(t, tt.profile, tt.kind)
			m.until("the login is good", func() bool { return m.service().State == "up" })
			m.words(t, "Wrong99")
			if err := m.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.until("the login is refused", func() bool { return strings.Contains(m.service().ProbeError, tt.refused) })
			m.until("the service is down", func() bool { return m.service().State == "down" })
			status, err := json.Marshal(m.Status())
			if err != nil {
				t.Fatal(err)
			}
			seen := string(status) + fmt.Sprintf("%+v %#v", m.Status(), m.config) + m.log.String()
			if slices.ContainsFunc([]string{"Secret1", "Wrong99"}, func(s string) bool { return strings.Contains(seen, s) }) {
				t.Errorf("a password is seen in\n%s", seen)
			}
			m.words(t, "Secret1")
			if err := m.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.until("the login is good again", func() bool { return m.service().State == "up" })
			if err := m.array.Order("cas1", tt.profile, "hang"); err != nil {
				t.Fatal(err)
			}
			m.until("the server is found silent", func() bool { return m.service().ProbeError == "greeting: no answer in time" })
			if n := m.array.CAS(0).Counts(); n.Logons == 0 || n.Refused == 0 {
				t.Errorf("the server counted %+v", n)
			}
		})
	}
}
