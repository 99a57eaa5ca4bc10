package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/profiles"
)

// probing is one monitor at work.
type probing struct {
	plan    plan
	monitor *health.Monitor
	cancel  context.CancelFunc
	done    chan struct{}
}

// same reports whether the probe at work does what p asks for.
func (p *plan) same(q *plan) bool {
	return p.service == q.service && p.endpoint == q.endpoint && p.host == q.host && p.mapping == q.mapping &&
		p.fqdn == q.fqdn && p.guard == q.guard && p.deep == q.deep &&
		slices.Equal(p.interfaces, q.interfaces) && slices.Equal(p.wants, q.wants) && reflect.DeepEqual(p.probe, q.probe)
}

// probe starts the monitors of plans and ends those that are not among them.
// One that goes on as it was is left alone. It returns all that are at work.
func (n *Node) probe(plans []plan) map[serviceKey]*health.Monitor {
	wanted := make(map[serviceKey]*plan, len(plans))
	for i := range plans {
		wanted[plans[i].key] = &plans[i]
	}
	for key, p := range n.probes {
		if w := wanted[key]; w != nil && w.same(&p.plan) {
			delete(wanted, key)
			continue
		}
		p.cancel()
		<-p.done
		delete(n.probes, key)
	}
	for key, w := range wanted {
		n.probes[key] = n.startProbe(*w)
	}
	monitors := make(map[serviceKey]*health.Monitor, len(n.probes))
	for key, p := range n.probes {
		monitors[key] = p.monitor
	}
	return monitors
}

func (n *Node) startProbe(w plan) *probing {
	ctx, cancel := context.WithCancel(n.background)
	p := &probing{plan: w, cancel: cancel, done: make(chan struct{})}
	p.monitor = health.NewMonitor(health.Options{
		Service: w.service,
		Asking: health.Asking{
			Probe: n.logged(n.relearned(&w), &w, "shallow"), Interval: w.probe.Interval, Timeout: w.probe.Timeout, Rise: w.probe.Rise, Fall: w.probe.Fall,
		},
		Deep: health.Asking{
			Probe: n.logged(newDeep(&w), &w, "deep"), Interval: w.deep.Interval, Timeout: w.deep.Timeout, Rise: w.deep.Rise, Fall: w.deep.Fall,
		},
		Guard:    w.guard,
		Alone:    func(since time.Time) bool { return n.worksBeside(&w, since) },
		OnRest:   func(rests bool, refusal error) { n.accountRests(w.deep.User, rests, refusal) },
		OnChange: n.stateChanged,
	})
	n.work.Go(func() {
		defer close(p.done)
		p.monitor.Run(ctx)
	})
	return p
}

// newProbe returns the probe of a service.
func newProbe(w *plan) health.Probe {
	switch w.probe.Kind {
	case "http":
		return &health.HTTPProbe{
			Endpoint: w.endpoint, Method: w.probe.Method, Path: w.probe.Path,
			Host: cmp.Or(w.host, w.endpoint.Target), Expect: w.probe.Expect, FQDN: w.fqdn,
		}
	case "imap", "pop3":
		return mailProbe(w.probe.Kind, w.endpoint, health.Account{})
	case "smtp":
		return &health.SMTPProbe{Endpoint: w.endpoint, TLS: passedTLS(w.endpoint), StartTLS: w.endpoint.StartTLS}
	case "epm":
		return &health.EPMProbe{Endpoint: w.endpoint, Wants: w.wants}
	case "rpc":
		return &health.RPCProbe{Endpoint: w.endpoint, Interfaces: syntaxes(w.interfaces)}
	case "none":
		return health.NoProbe{}
	default:
		return &health.TCPProbe{Endpoint: w.endpoint}
	}
}

// mailProbe returns a probe of IMAP4 or POP3, which logs in if a names somebody.
func mailProbe(kind string, e *balance.Endpoint, a health.Account) health.Probe {
	m := health.MailProbe{Endpoint: e, TLS: passedTLS(e), StartTLS: e.StartTLS, Account: a}
	if kind == "imap" {
		return (*health.IMAPProbe)(&m)
	}
	return (*health.POP3Probe)(&m)
}

// passedTLS is the TLS that a probe speaks on a port of mail servers which begin
// with it, where casbah passes on that of the clients and has none of its own. The
// certificate is for them to judge: any will do, and any version.
func passedTLS(e *balance.Endpoint) *tls.Config {
	host, port, err := net.SplitHostPort(e.Target)
	if err != nil {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || !profiles.TLSPort(n) || e.StartTLS != nil {
		return nil
	}
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // G402: see above
}

// stateChanged tells of a service that came up or went down.
func (n *Node) stateChanged(c health.Change) {
	text := fmt.Sprintf("%s on %s is %s, was %s", c.Service.Profile, c.Service.Server.Name, c.To, c.From)
	if c.Cause != nil {
		text += ": " + c.Cause.Error()
	}
	n.events.add(c.At, "health", text)
	level := n.about("health").Info()
	if c.To == balance.Down {
		level = n.about("health").Warn()
	}
	level.Str("event", "health").
		Str("profile", c.Service.Profile).Str("server", c.Service.Server.Name).
		Stringer("state", c.To).Stringer("before", c.From).Stringer("reason", health.CauseOf(c.Cause)).AnErr("cause", c.Cause).Send()
}

// probeText says in a few words what is asked of a service.
func probeText(p *profiles.Probe) string {
	switch p.Kind {
	case "http":
		return p.Method + " " + p.Path
	case "imap":
		return "IMAP4 greeting, CAPABILITY"
	case "pop3":
		return "POP3 greeting, CAPA"
	case "smtp":
		return "SMTP greeting, EHLO"
	case "epm":
		return "RPC bind, ept_map"
	case "rpc":
		return "RPC bind"
	case "none":
		return "nothing"
	default:
		return "TCP connection"
	}
}
