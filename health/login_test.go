package health_test

import (
	"errors"
	"net/netip"
	"testing"

	"casbah/balance"
	"casbah/health"
	"casbah/lab"
)

// loginLab is one simulated server, and the way there.
func loginLab(t *testing.T) (*lab.Array, *balance.Endpoint) {
	t.Helper()
	a, err := lab.NewArray(lab.Options{Servers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	e := &balance.Endpoint{Name: "cas1", Target: "cas1.example.org:80"}
	e.SetAddr(netip.MustParseAddrPort(a.CAS(0).Addr()))
	return a, e
}

// What logs in is told what only a server with mailboxes can tell, and an account
// that is not let in is told from a server that does not work.
func TestLoginProbe(t *testing.T) {
	a, e := loginLab(t)
	right := health.Account{User: `LAB\probe`, Password: lab.ProbePassword}
	wrong := health.Account{User: `LAB\probe`, Password: "Wrong99"}
	tests := []struct {
		name      string
		question  health.Question
		ntlm      bool
		account   health.Account
		directory string // with a fault
		fault     lab.Fault
		want      health.Cause
	}{
		{"eas", health.AskEAS, false, right, "", lab.Fault{}, health.Right},
		{"eas-wrong", health.AskEAS, false, wrong, "", lab.Fault{}, health.Refused},
		{"eas-sick", health.AskEAS, false, right, "eas", lab.Status(500), health.Wrong},
		{"eas-empty", health.AskEAS, false, right, "eas", lab.Status(200), health.Wrong},
		{"eas-by-ntlm", health.AskEAS, true, right, "", lab.Fault{}, health.Wrong}, // the directory has Basic alone
		{"ews", health.AskEWS, true, right, "", lab.Fault{}, health.Right},
		{"ews-wrong", health.AskEWS, true, wrong, "", lab.Fault{}, health.Refused},
		{"ews-by-basic", health.AskEWS, false, right, "", lab.Fault{}, health.Refused}, // the directory has none
		{"ews-sick", health.AskEWS, true, right, "ews", lab.Status(503), health.Wrong},
		{"echo-ntlm", health.AskEcho, true, right, "", lab.Fault{}, health.Right},
		{"echo-basic", health.AskEcho, false, right, "", lab.Fault{}, health.Right},
		{"echo-wrong", health.AskEcho, false, wrong, "", lab.Fault{}, health.Refused},
		{"echo-empty", health.AskEcho, false, right, "outlook_anywhere", lab.Status(200), health.Wrong},
		{"owa", health.AskOWA, false, right, "", lab.Fault{}, health.Right},
		{"owa-wrong", health.AskOWA, false, wrong, "", lab.Fault{}, health.Refused},
		{"owa-sick", health.AskOWA, false, right, "owa", lab.Status(500), health.Wrong},
		{"owa-garbage", health.AskOWA, false, right, "owa", lab.Garbage(), health.Wrong},
		{"autodiscover", health.AskAutodiscover, true, right, "", lab.Fault{}, health.Right},
		{"autodiscover-basic", health.AskAutodiscover, false, right, "", lab.Fault{}, health.Right},
		{"autodiscover-garbage", health.AskAutodiscover, true, right, "autodiscover", lab.Garbage(), health.Wrong},
		{"autodiscover-reset", health.AskAutodiscover, true, right, "autodiscover", lab.ResetAfter(0), health.Closed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.directory != "" {
				if err := a.CAS(0).Fault(tt.directory, tt.fault); err != nil {
					t.Fatal(err)
				}
				defer a.CAS(0).Heal(tt.directory)
			}
			p := &health.LoginProbe{Endpoint: e, Question: tt.question, NTLM: tt.ntlm, Account: tt.account}
			err := p.Check(t.Context())
			if got := health.CauseOf(err); got != tt.want {
				t.Errorf("Check() = %v, which is %v; want %v", err, got, tt.want)
			}
			if errors.Is(err, health.ErrRefused) != (tt.want == health.Refused) {
				t.Errorf("Check() = %v; want the account refused %v", err, tt.want == health.Refused)
			}
		})
	}
}

// The account of the probe opens the inbox that GetFolder asks for: a path of the
// site's own is asked as it stands.
func TestLoginProbePath(t *testing.T) {
	_, e := loginLab(t)
	p := &health.LoginProbe{
		Endpoint: e, Question: health.AskEAS, Path: "/nowhere",
		Account: health.Account{User: "probe", Password: lab.ProbePassword},
	}
	if err := p.Check(t.Context()); err == nil || err.Error() != "want status 200, got 404 Not Found" {
		t.Errorf("Check() = %v; want a 404", err)
	}
}

// The password is in nothing that a trace shows, nor in an error, whatever way it
// goes: with every way to log in.
func TestTraceHidesSecrets(t *testing.T) {
	m := newMailLab(t)
	_, e := loginLab(t)
	right := health.Account{User: "probe", Password: lab.ProbePassword}
	for name, p := range map[string]health.Probe{
		"basic": &health.LoginProbe{Endpoint: e, Question: health.AskEAS, Account: right},
		"ntlm":  &health.LoginProbe{Endpoint: e, Question: health.AskEWS, NTLM: true, Account: right},
		"owa":   &health.LoginProbe{Endpoint: e, Question: health.AskOWA, Account: right},
		"imap":  m.probe("imap4", "starttls", right),
		"pop3":  m.probe("pop3", "tls", right),
	} {
		t.Run(name, func(t *testing.T) {
			trace := health.NewTrace(right)
			if err := p.Check(health.WithTrace(t.Context(), trace)); err != nil {
				t.Fatal(err)
			}
			wantTraced(t, trace.Lines(), right)
		})
	}
}
