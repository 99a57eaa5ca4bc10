package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	if passedTLS(&balance.Endpoint{Target: "no port"}) != nil {
		t.Error("a target without a port begins with TLS")
	}
}

// A probe of mail with a user is two: one asks whether the service greets, the
// other one logs in, at the same pace. The deep probe of a profile has its own.
func TestDeepProbeOfAProfile(t *testing.T) {
	for _, tt := range []struct {
		name             string
		rules            profiles.Profile
		kind, text, path string
		ntlm             bool
	}{
		{"pop3", profiles.Profile{Probe: profiles.Probe{Kind: "pop3", User: "probe", Password: "Secret1"}}, "*health.POP3Probe", "POP3 login, STAT", "", false},
		{"imap", profiles.Profile{Probe: profiles.Probe{Kind: "imap", User: "probe", Password: "Secret1"}}, "*health.IMAPProbe", "IMAP4 login, NOOP", "", false},
		{
			"ews",
			profiles.Profile{DeepProbe: profiles.DeepProbe{Kind: "ews", Auth: "ntlm", Path: "/x", User: "probe", Password: "Secret1"}},
			"*health.LoginProbe", "login, GetFolder of the inbox", "/x", true,
		},
		{
			"eas",
			profiles.Profile{DeepProbe: profiles.DeepProbe{Kind: "eas", Auth: "basic", User: "probe", Password: "Secret1"}},
			"*health.LoginProbe", "login, versions of ActiveSync", "", false,
		},
		{"none", profiles.Profile{Probe: profiles.Probe{Kind: "imap"}}, "<nil>", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rules.Probe.Interval = 7 * time.Second
			w := plan{endpoint: &balance.Endpoint{Target: "cas1:110"}, deep: deepOf(&tt.rules)}
			probe := newDeep(&w)
			if got := fmt.Sprintf("%T", probe); got != tt.kind {
				t.Fatalf("the probe is a %s; want a %s", got, tt.kind)
			}
			var got health.Account
			switch p := probe.(type) {
			case *health.POP3Probe:
				got = p.Account
			case *health.IMAPProbe:
				got = p.Account
			case *health.LoginProbe:
				got = p.Account
				if p.NTLM != tt.ntlm || p.Path != tt.path || p.Host != "cas1:110" {
					t.Errorf("the probe is %+v", p)
				}
			default:
				return
			}
			if want := (health.Account{User: "probe", Password: "Secret1"}); got != want {
				t.Errorf("the probe logs in as %+v; want %+v", got, want)
			}
			if got := deepText(&w.deep); got != tt.text {
				t.Errorf("the probe is called %q; want %q", got, tt.text)
			}
			if own := tt.rules.DeepProbe.Asked(); !own && w.deep.Interval != 7*time.Second {
				t.Errorf("the login has an interval of %v; want that of the probe", w.deep.Interval)
			}
		})
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

// S13, S14: a service logs in with its account, and the password that a reload
// reads is the one that counts. It is seen nowhere. A wrong one takes no server
// down, is reported, and is tried three times, not each 100 ms.
func TestMailProbeLogsIn(t *testing.T) {
	for _, tt := range []struct{ profile, kind, refused string }{
		{"pop3", "pop3", "Logon failure"},
		{"imap4", "imap", "AUTHENTICATIONFAILED"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			m := newMailRig(t, tt.profile, tt.kind)
			m.until("the login is good", func() bool { s := m.service(); return s.State == "up" && s.Deep.Probes.Right > 0 })
			m.words(t, "Wrong99")
			if err := m.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.until("the login is refused", func() bool { return strings.Contains(m.service().Deep.Error, tt.refused) })
			m.until("the account rests", func() bool { return m.service().Deep.Rests })
			asked := m.service().Probes.Right
			m.until("the service is asked on", func() bool { return m.service().Probes.Right > asked+3 })
			if s := m.service(); s.State != "up" || s.Deep.Cause != health.Refused || s.Deep.Probes.Wrong != 3 {
				t.Errorf("the service is %s, its deep probe %+v; want it up, and three refusals", s.State, s.Deep)
			}
			if !slices.ContainsFunc(m.Status().Events, func(e Event) bool { return strings.HasPrefix(e.Text, "probe account refused: ") }) {
				t.Errorf("events %v; want the refused account among them", m.Status().Events)
			}
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
			m.until("the login is good again", func() bool { d := m.service().Deep; return d.Probes.Right > 0 && !d.Rests && d.Error == "" })
			if err := m.array.Order("cas1", tt.profile, "hang"); err != nil {
				t.Fatal(err)
			}
			m.until("the server is found silent", func() bool { return m.service().ProbeError == "greeting: no answer in time" })
			if n := m.array.CAS(0).Counts(); n.Logons == 0 || n.Refused != 3 {
				t.Errorf("the server counted %+v; want three refusals", n)
			}
		})
	}
}
