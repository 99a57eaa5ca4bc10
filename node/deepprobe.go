package node

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"time"

	"casbah/health"
	"casbah/profiles"
)

// guardKey is an account, with what its password was: another one is tried at once.
type guardKey struct {
	user     string
	password [sha256.Size]byte
}

// guard returns the guard of the account of d, the same one for all services;
// nil: there is none.
func (l *live) guard(d profiles.DeepProbe) *health.Guard {
	if !d.Asked() {
		return nil
	}
	k := guardKey{d.User, sha256.Sum256([]byte(d.Password.Reveal()))}
	g := l.guards[k]
	if g == nil {
		g = new(health.Guard)
		l.guards[k] = g
	}
	return g
}

// deepOf returns the deep probe of a profile. A probe of mail that logs in is two:
// the service that greets, and the account that may be wrong, are different
// matters.
func deepOf(rules *profiles.Profile) profiles.DeepProbe {
	p := &rules.Probe
	if rules.DeepProbe.Asked() || p.User == "" {
		return rules.DeepProbe
	}
	return profiles.DeepProbe{
		Kind: p.Kind, User: p.User, Password: p.Password,
		Interval: p.Interval, Timeout: p.Timeout, Rise: p.Rise, Fall: p.Fall,
	}
}

// newDeep returns the deep probe of a service; nil: there is none.
func newDeep(w *plan) health.Probe {
	if !w.deep.Asked() {
		return nil
	}
	account := health.Account{User: w.deep.User, Password: w.deep.Password.Reveal()}
	switch w.deep.Kind {
	case "imap", "pop3":
		return mailProbe(w.deep.Kind, w.endpoint, account)
	default:
		return &health.LoginProbe{
			Endpoint: w.endpoint, Host: cmp.Or(w.host, w.endpoint.Target), Question: health.Questions[w.deep.Kind],
			Path: w.deep.Path, NTLM: w.deep.Auth == "ntlm", Account: account,
		}
	}
}

// deepText says in a few words what is asked of a service with a login.
func deepText(d *profiles.DeepProbe) string {
	switch d.Kind {
	case "imap":
		return "IMAP4 login, NOOP"
	case "pop3":
		return "POP3 login, STAT"
	default:
		return health.Questions[d.Kind].String()
	}
}

// DeepStatus is the deep probe of a service.
type DeepStatus struct {
	Probe  string    // what is asked
	At     time.Time // when last; zero: not yet
	Took   time.Duration
	Error  string       // of the last answer; empty: it was right
	Cause  health.Cause // likewise
	Probes health.Tally
	Rests  bool // the account was refused so often that it is left alone
}

func deepStatus(w *plan, monitor *health.Monitor) *DeepStatus {
	if !w.deep.Asked() {
		return nil
	}
	s := &DeepStatus{Probe: deepText(&w.deep), Probes: monitor.DeepTally(), Rests: w.guard.Resting()}
	if r, ok := monitor.LastDeep(); ok {
		s.At, s.Took, s.Cause = r.At, r.Took, health.CauseOf(r.Err)
		if r.Err != nil {
			s.Error = r.Err.Error()
		}
	}
	return s
}

// accountRests tells of an account of probes that is left alone, or works again.
func (n *Node) accountRests(user string, rests bool, refusal error) {
	text := "the account " + user + " of deep probes is let in again"
	if rests {
		text = fmt.Sprintf("probe account refused: %s; deep probes with %s count no more and are tried rarely, until it is let in or a reload brings another password", refusal, user)
	}
	n.events.add(time.Now(), "health", text)
	level := n.about("health").Info()
	if rests {
		level = n.about("health").Warn()
	}
	level.Str("event", "health").Str("account", user).Bool("rests", rests).AnErr("cause", refusal).Msg("probe account")
}

// worksBeside reports whether another service of w's server has answered its health
// page well since then: what is off is w's service alone.
func (n *Node) worksBeside(w *plan, since time.Time) bool {
	snap := n.snap.Load()
	if snap == nil {
		return false
	}
	for i := range snap.plans {
		p := &snap.plans[i]
		if p.key.server != w.key.server || p.key == w.key || p.probe.Kind != "http" || !health.IsHealthPage(p.probe.Path) {
			continue
		}
		if r, ok := snap.monitors[p.key].LastResult(); ok && r.Err == nil && r.At.After(since) {
			return true
		}
	}
	return false
}
