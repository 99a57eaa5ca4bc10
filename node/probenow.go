package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"casbah/health"
	"casbah/profiles"
)

// probesAtOnce is how many services a run asks at the same time.
const probesAtOnce = 8

// ProbeFilter says which services are meant. What is empty means all.
type ProbeFilter struct {
	Pool    string `json:"pool,omitempty"`
	Server  string `json:"server,omitempty"` // without a profile, the name of one will do
	Profile string `json:"profile,omitempty"`
}

// ProbeAnswer is what one probe of one service came to.
type ProbeAnswer struct {
	Pool     string        `json:"pool"`
	Server   string        `json:"server"`
	Profile  string        `json:"profile"`
	Address  string        `json:"address"` // as the configuration has it
	Deep     bool          `json:"deep"`    // it logs in
	Probe    string        `json:"probe"`   // what is asked
	Verdict  string        `json:"verdict"` // up, off, down or refused; unknown: not asked yet
	At       time.Time     `json:"at,omitzero"`
	Seconds  float64       `json:"seconds"`
	Cause    string        `json:"cause,omitempty"` // of a wrong answer, in one word
	Error    string        `json:"error,omitempty"`
	Dialogue []health.Line `json:"dialogue,omitempty"` // what was said, of a run; without secrets
}

// errRunning is the answer to a run while another is under way.
var errRunning = errors.New("a run of probes is under way: try again in a moment")

// matches reports whether f means the service of p.
func (f *ProbeFilter) matches(p *plan) bool {
	if f.Pool != "" && f.Pool != p.key.pool || f.Profile != "" && f.Profile != p.key.profile {
		return false
	}
	return f.Server == "" || f.Server == p.key.server || f.Profile == "" && f.Server == p.key.profile
}

// plansOf returns the services of snap that f means, or says what there is.
func (f *ProbeFilter) plansOf(snap *snapshot) ([]*plan, error) {
	var all []*plan
	var servers, names []string
	for i := range snap.plans {
		p := &snap.plans[i]
		if f.matches(p) {
			all = append(all, p)
		}
		servers, names = append(servers, p.key.server), append(names, p.key.profile)
	}
	if len(all) > 0 {
		return all, nil
	}
	for _, list := range []*[]string{&servers, &names} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	switch {
	case f.Server != "" && !slices.Contains(servers, f.Server):
		return nil, oneOf("server", servers, f.Server)
	case f.Profile != "":
		return nil, oneOf("profile", names, f.Profile)
	default:
		return nil, errors.New("no service is meant by that, or none is probed")
	}
}

// ProbeConfig asks the services of conf that f means, once. It needs no running
// casbah, and changes nothing.
func ProbeConfig(ctx context.Context, conf *profiles.Config, f ProbeFilter) ([]ProbeAnswer, error) {
	snap, err := scratch(conf)
	if err != nil {
		return nil, err
	}
	plans, err := f.plansOf(snap)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	for _, e := range snap.endpoints {
		if !e.Learned {
			all.Go(func() { _ = resolve(ctx, e) }) // the probe tells of one without an address
		}
	}
	all.Wait()
	for _, m := range snap.mappings {
		m.learn(ctx, time.Now()) // likewise
	}
	return probeAll(ctx, plans), nil
}

// Probe asks the services that f means, now and beside what their monitors do.
// What comes of it changes no state.
func (n *Node) Probe(ctx context.Context, f ProbeFilter) ([]ProbeAnswer, error) {
	snap := n.snap.Load()
	if snap == nil {
		return nil, errNotStarted
	}
	plans, err := f.plansOf(snap)
	if err != nil {
		return nil, err
	}
	if !n.probeRun.TryLock() {
		return nil, errRunning
	}
	defer n.probeRun.Unlock()
	return probeAll(ctx, plans), nil
}

// Probes returns what the probes of the services that f means came to last.
func (n *Node) Probes(f ProbeFilter) ([]ProbeAnswer, error) {
	snap := n.snap.Load()
	if snap == nil {
		return nil, errNotStarted
	}
	plans, err := f.plansOf(snap)
	if err != nil {
		return nil, err
	}
	var all []ProbeAnswer
	for _, p := range plans {
		a := p.answer(probeText(&p.probe))
		if r, ok := snap.monitors[p.key].LastResult(); ok {
			a.take(&r)
		}
		all = append(all, a)
		if !p.deep.Asked() {
			continue
		}
		a = p.answer(deepText(&p.deep))
		a.Deep = true
		if r, ok := snap.monitors[p.key].LastDeep(); ok {
			a.take(&r)
		}
		all = append(all, a)
	}
	return all, nil
}

// probeAll asks all of plans, some at a time, and returns the answers in order.
func probeAll(ctx context.Context, plans []*plan) []ProbeAnswer {
	answers := make([][]ProbeAnswer, len(plans))
	turn := make(chan struct{}, probesAtOnce)
	var all sync.WaitGroup
	for i, p := range plans {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			answers[i] = p.ask(ctx)
		})
	}
	all.Wait()
	return slices.Concat(answers...)
}

// ask asks the shallow and then the deep question, and takes down what is said.
func (p *plan) ask(ctx context.Context) []ProbeAnswer {
	a := p.answer(probeText(&p.probe))
	err := a.run(ctx, newProbe(p), p.probe.Timeout, health.Account{})
	all := []ProbeAnswer{a}
	deep := newDeep(p)
	if deep == nil || err != nil {
		return all
	}
	a = p.answer(deepText(&p.deep))
	a.Deep = true
	if done, ok := p.guard.Enter(ctx, true); ok {
		err = a.run(ctx, deep, p.deep.Timeout, health.Account{User: p.deep.User, Password: p.deep.Password.Reveal()})
		p.guard.Heard(time.Now(), err)
		done()
	} else {
		a.Verdict, a.Cause, a.Error = "refused", health.Refused.String(), "the account was refused before, and is not tried again"
	}
	return append(all, a)
}

func (p *plan) answer(text string) ProbeAnswer {
	return ProbeAnswer{
		Pool: p.key.pool, Server: p.key.server, Profile: p.key.profile, Address: p.endpoint.Target, Probe: text,
		Verdict: "unknown",
	}
}

// run asks one question.
func (a *ProbeAnswer) run(ctx context.Context, probe health.Probe, timeout time.Duration, account health.Account) error {
	trace := health.NewTrace(account)
	ctx, cancel := context.WithTimeout(health.WithTrace(ctx, trace), timeout)
	defer cancel()
	r := health.Result{At: time.Now()}
	r.Err = probe.Check(ctx)
	r.Took = time.Since(r.At)
	a.take(&r)
	a.Dialogue = trace.Lines()
	return r.Err
}

// take puts in what a probe came to.
func (a *ProbeAnswer) take(r *health.Result) {
	a.At, a.Seconds, a.Verdict = r.At, r.Took.Seconds(), "up"
	if r.Err == nil {
		return
	}
	cause := health.CauseOf(r.Err)
	a.Cause, a.Error, a.Verdict = cause.String(), r.Err.Error(), "down"
	switch cause {
	case health.Off:
		a.Verdict = "off"
	case health.Refused:
		a.Verdict = "refused"
	default: // down it is
	}
}
