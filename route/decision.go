package route

import (
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
	"casbah/persistence"
)

// Request is what decides: see persistence.Request.
type Request = persistence.Request

// Outcome is what a decision came to.
type Outcome uint8

// The outcomes of Decide.
const (
	Chosen   Outcome = iota // Endpoint is where the request goes
	NoServer                // no service is up, or all were tried: 503
	Held                    // fallback = false and the client's server is not usable: 502
	Full                    // the client's server takes no more for now, or all do: see Wait
)

// Decision is where one request goes, and why. The zero value is ready, and a
// Decision may be used again for the next request once it is released.
type Decision struct {
	Profile  *Profile
	Endpoint *balance.Endpoint
	Walk     persistence.Walk // what each step yielded

	chosen   int // candidate index
	eligible balance.Eligible
	usable   balance.Eligible
	tried    balance.Eligible // candidates that could not be reached for this request
	Outcome  Outcome
	loss     Loss  // why the client's server does not serve it
	lossAt   int8  // index of the reading that is bound to it
	aside    bool  // served away from the group's server, without binding
	pinned   bool  // the connection decided, by Stay
	amid     bool  // likewise, and the client is about to log on
	housed   bool  // where the mailbox is has decided, see home
	open     bool  // counted by Commit
	wait     *wait // for a place at a server; nil: there is no need to
}

// Decide chooses a server for r. It reads tables and states and changes none of
// them, so that an explanation and a request come to the same answer; only the
// turn of an algorithm moves, see Explain.
func (p *Profile) Decide(now int64, r *Request, d *Decision) {
	p.walk(now, r, d)
	switch {
	case d.Walk.Held:
		d.Outcome = Held
		return
	case d.Walk.Server != 0:
		d.chosen = p.index(d.Walk.Server)
		if d.usable.Has(d.chosen) {
			if d.full() {
				d.Outcome = Full
			}
			break
		}
		// A follower that is down alone on the group's server is served
		// elsewhere; the binding of the group stays.
		d.aside, d.loss = true, d.lossHere(d.Walk.Server)
		fallthrough
	default:
		if d.chosen, d.Outcome = d.pick(now, r); d.Outcome != Chosen {
			return
		}
	}
	d.Endpoint = p.Candidates[d.chosen].Endpoint
}

// among returns who the algorithm chooses from: of the eligible candidates those
// that are usable for the group, if any is, since the group is bound to the choice.
func (d *Decision) among() balance.Eligible {
	p := d.Profile
	if p.Lead == nil {
		return d.eligible // common case
	}
	var both balance.Eligible
	usable := p.Lead.eligible()
	for i := range p.Candidates {
		if j := p.Lead.index(p.Candidates[i].Service.Server.ID); d.eligible.Has(i) && j >= 0 && usable.Has(j) {
			both |= 1 << uint(i)
		}
	}
	if both == 0 {
		return d.eligible
	}
	return both
}

// Stay decides for a request of a client connection that is pinned to e: the
// chain is walked so that the client's bindings live on, but the server is the
// pair's. A client that is bound elsewhere stays bound there. Stay reports false
// if the server may take no more requests, or is not in the pool any more; then
// the pair must end. Amid tells that the client is about to log on.
func (p *Profile) Stay(now int64, r *Request, e *balance.Endpoint, amid bool, d *Decision) bool {
	p.walk(now, r, d)
	d.pinned, d.amid = true, amid
	d.chosen = p.index(e.Server)
	if d.chosen < 0 || p.Candidates[d.chosen].Endpoint != e || !d.usable.Has(d.chosen) && !d.finishes() {
		d.chosen = -1
		return false
	}
	d.Endpoint = e
	if d.full() {
		d.Outcome = Full
	}
	d.aside = d.Walk.Held || d.Walk.Server != 0 && d.Walk.Server != e.Server
	return true
}

// walk begins a decision: it takes down who may serve the request and walks the chain.
func (p *Profile) walk(now int64, r *Request, d *Decision) {
	d.Profile, d.Outcome, d.Endpoint, d.chosen, d.aside = p, Chosen, nil, -1, false
	d.pinned, d.amid, d.housed = false, false, false
	d.eligible = p.eligible() &^ d.tried
	d.usable = d.eligible | p.keeping()&^d.tried
	p.Chain.Walk(now, r, d, &d.Walk)
	d.loss = NoLoss
	if d.Walk.Held || d.Walk.Why == persistence.Rebound {
		d.lose()
	}
}

// Standing tells the chain what a server is worth to the group; see persistence.Standings.
func (d *Decision) Standing(id balance.ServerID) persistence.Standing {
	lead := d.Profile
	if lead.Lead != nil {
		lead = lead.Lead
	}
	i := lead.index(id)
	if i < 0 || d.Profile.index(id) < 0 {
		return persistence.Gone
	}
	takes, keeps := d.eligible, d.usable
	if lead != d.Profile {
		takes, keeps = lead.eligible(), lead.keeping()
	}
	switch {
	case takes.Has(i):
		return persistence.Usable
	case !keeps.Has(i):
		return persistence.Gone
	case lead.Candidates[i].Service.State() == balance.Drain:
		return persistence.Draining
	default: // nothing is known of it yet
		return persistence.Usable
	}
}

// keeping returns the candidates that only bound clients may use: those that
// drain, unless firmly, and those of which nothing is known yet. Where others are known already,
// as just after a start, the clients of the slowest would be taken from it
// otherwise; if it is down, the connection tells. A backup whose time is over keeps
// its clients, too.
func (p *Profile) keeping() balance.Eligible {
	e := p.standby()
	for i := range p.Candidates {
		if p.Candidates[i].Service.Keeps() {
			e |= 1 << uint(i)
		}
	}
	return e
}

// Commit carries the decision out: it counts the request as open and binds the
// keys that it brought. False: the server has become full meanwhile, nothing was
// done, and Wait is next. Release must follow.
func (d *Decision) Commit(now int64) bool {
	if !d.Begin() {
		return false
	}
	d.Bind(now)
	return true
}

// Bind is the half of Commit that binds. It comes later than Begin where only
// the server's answer tells that the client is who it says.
func (d *Decision) Bind(now int64) {
	if d.aside {
		return
	}
	d.claim(now)
	if d.housed {
		d.Profile.Chain.Preferred()
	}
	if t := d.Profile.Traffic; t != nil && d.Walk.Why == persistence.Rebound {
		t.rebinds[max(d.loss, LostDown)].Add(1)
	}
}

// claim binds the keys that the request brought, and counts nothing.
func (d *Decision) claim(now int64) {
	if !d.aside {
		d.Profile.Chain.Bind(now, &d.Walk, d.Endpoint.Server)
	}
}

// Avoid takes the chosen server out of the next Decide for this request,
// because it could not be reached. It releases the decision and tells the
// health monitor.
func (d *Decision) Avoid(now int64) {
	d.service().Failed()
	d.tried |= 1 << uint(d.chosen)
	d.end()
}

// Answer takes in the head of a final response, sent wait after the request:
// persistence learns from it. It appends the header lines that casbah adds to
// the response, each with its CRLF.
func (d *Decision) Answer(now int64, wait time.Duration, resp *httphead.Response, lines []byte) []byte {
	d.service().Observe(wait)
	d.Profile.Chain.Place(now, &d.Walk, d.Endpoint.Server, resp)
	if d.aside {
		return lines
	}
	return d.Profile.Chain.Learn(now, &d.Walk, d.Endpoint.Server, resp, lines)
}

// Session takes in the ID of the TLS session that the server has given to the
// connection, or resumed; see persistence.Chain.Session.
func (d *Decision) Session(now int64, id []byte) {
	if !d.aside {
		d.Profile.Chain.Session(now, &d.Walk, id)
	}
}

// Associate takes in the RPC association that the server has put the connection
// into; see persistence.Chain.Associate.
func (d *Decision) Associate(now int64, r *Request) {
	if !d.aside {
		d.Profile.Chain.Associate(now, &d.Walk, r)
	}
}

// Touch keeps the bindings that the request used alive while it is open.
func (d *Decision) Touch(now int64) {
	if !d.aside {
		d.Profile.Chain.Touch(now, &d.Walk)
	}
}

// Release ends the request. The decision is ready for the next one.
func (d *Decision) Release(now int64) {
	if d.open {
		d.Touch(now)
	}
	d.end()
	d.unwait()
	d.tried = 0
}

func (d *Decision) end() {
	if d.open {
		d.service().Finish()
		d.open = false
	}
}

// Server returns the chosen server's name.
func (d *Decision) Server() string {
	if d.Endpoint == nil {
		return ""
	}
	return d.Endpoint.Name
}

// Step names the chain step that decided; empty if the algorithm or a pinned
// connection did.
func (d *Decision) Step() string {
	if d.pinned || d.aside {
		return ""
	}
	return d.Profile.Chain.StepName(d.Walk.By)
}

// Why says in one word how the decision came about; of a rebind, also why.
func (d *Decision) Why() string {
	switch {
	case d.pinned:
		return "pinned"
	case d.aside:
		return "aside"
	case d.Walk.Why == persistence.Rebound:
		return rebounds[d.loss]
	case d.housed:
		return "placed"
	case d.Walk.Server == 0 && d.chosen >= 0 && d.Profile.Backups.Has(d.chosen):
		return "backup"
	default:
		return d.Walk.Why.String()
	}
}

func (d *Decision) service() *balance.Service { return d.Profile.Candidates[d.chosen].Service }

// hash is what source_hash goes by: the client's address; where that is shared,
// and set aside, who the client is, or else the moment.
func (d *Decision) hash(now int64, r *Request) uint64 {
	if d.Walk.Why != persistence.Spread {
		return sourceHash(r)
	}
	if id, ok := d.Profile.Chain.ClientHash(&d.Walk); ok {
		return id
	}
	return sourceHash(r) ^ uint64(now)*0x9e3779b97f4a7c15
}

// sourceHash is FNV-1a over the client's address: the same in every process, so
// that source_hash keeps its clients over a restart.
func sourceHash(r *Request) uint64 {
	h := uint64(14695981039346656037)
	a := r.Source.As16()
	for _, c := range a {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
