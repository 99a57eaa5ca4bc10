package health_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/lab"
)

// mailLab is an array of one simulated server with mail, in clear and in TLS.
type mailLab struct {
	*lab.Array
	t     *testing.T
	trust *tls.Config
}

func newMailLab(t *testing.T) *mailLab {
	t.Helper()
	a, err := lab.NewArray(lab.Options{Servers: 1, TLS: true, Mail: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("the lab has no certificate")
	}
	return &mailLab{a, t, &tls.Config{RootCAs: roots, ServerName: "localhost"}}
}

// probe returns the probe of a protocol, with TLS from the first octet, begun on
// the way, or not at all.
func (l *mailLab) probe(protocol, by string, a health.Account) health.Probe {
	e := &balance.Endpoint{Name: "cas1", Target: "localhost:1"}
	e.SetAddr(netip.MustParseAddrPort(l.CAS(0).MailAddr(protocol, by == "tls" || by == "passed")))
	var start, passed *tls.Config
	switch by {
	case "tls":
		e.TLS = l.trust
	case "passed":
		passed = &tls.Config{InsecureSkipVerify: true}
	case "starttls":
		start = l.trust
	}
	switch protocol {
	case "pop3":
		return &health.POP3Probe{Endpoint: e, TLS: passed, StartTLS: start, Account: a}
	case "imap4":
		return &health.IMAPProbe{Endpoint: e, TLS: passed, StartTLS: start, Account: a}
	case "smtp":
		return &health.SMTPProbe{Endpoint: e, TLS: passed, StartTLS: start}
	default:
		l.t.Fatalf("no probe of %s", protocol)
		return nil
	}
}

// wants runs a probe and checks its error for want, or for none if want is empty.
func (l *mailLab) wants(p health.Probe, want string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	switch err := p.Check(ctx); {
	case want == "" && err != nil:
		l.t.Errorf("Check() = %v; want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		l.t.Errorf("Check() = %v; want %s", err, want)
	}
}

// mailProtocols are those that have a probe and a server in the lab, each with
// what it says of an account that is refused; "" where there is none.
var mailProtocols = map[string]string{
	"pop3":  `PASS: want +OK, got "-ERR Logon failure: unknown user name or bad password."`,
	"imap4": `LOGIN: want OK, got "NO [AUTHENTICATIONFAILED] Authentication failed"`,
	"smtp":  "",
}

// S13, S14: the probes of mail against servers that speak it, in clear, in TLS and with
// TLS begun on the way; up, refused, refusing, silent, gone and back.
func TestMailProbesAgainstTheLab(t *testing.T) {
	l := newMailLab(t)
	alice := health.Account{User: `LAB\alice`, Password: "Secret1"}
	for protocol, refused := range mailProtocols {
		for _, by := range []string{"plain", "tls", "passed", "starttls"} {
			t.Run(protocol+"/"+by, func(t *testing.T) {
				at := *l
				at.t = t
				at.wants(at.probe(protocol, by, health.Account{}), "")
				if refused != "" {
					at.wants(at.probe(protocol, by, alice), "")
					at.wants(at.probe(protocol, by, health.Account{User: "alice", Password: "Secret2"}), refused)
				}
			})
		}
	}
	cas := l.CAS(0)
	if n := cas.Counts(); n.Requests["pop3"] == 0 || n.Requests["smtp"] == 0 || n.Requests["imap4"] == 0 || n.Logons != uint64(4*accounts()) || n.Refused != n.Logons {
		t.Errorf("the server counted %+v", n)
	}
	for protocol := range mailProtocols {
		p := l.probe(protocol, "plain", health.Account{})
		for fault, want := range map[string]string{
			"503": "greeting: want ", "garbage": "greeting: ", "reset/5": ": connection reset by peer", "slow/10ms": "", "ok": "",
		} {
			if err := l.Order(append([]string{"cas1", protocol}, strings.Split(fault, "/")...)...); err != nil {
				t.Fatal(err)
			}
			l.wants(p, want)
		}
		if err := l.Order("cas1", protocol, "ok"); err != nil {
			t.Fatal(err)
		}
	}
	cas.Stop()
	for protocol := range mailProtocols {
		l.wants(l.probe(protocol, "plain", health.Account{}), "connect: connection refused")
	}
	if err := cas.Start(); err != nil {
		t.Fatal(err)
	}
	for protocol := range mailProtocols {
		l.wants(l.probe(protocol, "plain", health.Account{}), "")
	}
}

// accounts counts the protocols with a login.
func accounts() (n int) {
	for _, refused := range mailProtocols {
		if refused != "" {
			n++
		}
	}
	return n
}

// A server that speaks plainly where TLS is to begin, shows another name, or has
// no TLS to begin.
func TestMailProbesWithoutTrust(t *testing.T) {
	l := newMailLab(t)
	bare, err := lab.NewArray(lab.Options{Servers: 1, Mail: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	other := l.trust.Clone()
	other.ServerName = "mail.example.org"
	for protocol := range mailProtocols {
		wrong := *l
		wrong.trust = other
		l.wants(wrong.probe(protocol, "tls", health.Account{}), "TLS: tls: failed to verify certificate")
		l.wants(wrong.probe(protocol, "starttls", health.Account{}), "TLS: tls: failed to verify certificate")
		without := *l
		without.Array = bare
		l.wants(without.probe(protocol, "starttls", health.Account{}), "want ")
	}
}

// A hanging server is given up when the time is over, and answers again when it
// is healed.
func TestMailProbeOfHangingLab(t *testing.T) {
	l := newMailLab(t)
	for protocol := range mailProtocols {
		if err := l.Order("cas1", protocol, "hang"); err != nil {
			t.Fatal(err)
		}
		p := l.probe(protocol, "plain", health.Account{})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := p.Check(ctx); err == nil || err.Error() != "greeting: no answer in time" {
			t.Errorf("Check() = %v", err)
		}
		cancel()
		healed := make(chan error, 1)
		go func() { healed <- p.Check(t.Context()) }()
		if err := l.Order("cas1", protocol, "ok"); err != nil {
			t.Fatal(err)
		}
		if err := <-healed; err != nil {
			t.Errorf("Check() = %v once the server is healed", err)
		}
	}
}
