package route

import (
	"math/bits"
	"net/netip"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// Names is what explanations call a profile and its parts. It is small and holds
// no configuration, so that a decision that is kept keeps no snapshot in memory.
type Names struct {
	VIP, Profile, Pool string
	Scope              string // who shares the bindings
	Algorithm          string
	Chain              []string // the steps
	Servers            []string // the candidates
	All                *balance.Servers
}

// maxCandidates is how many candidates a profile may have: one bit each in an
// Eligible.
const maxCandidates = 64

// judged is a decision as it was taken, in memory of its own: all that an
// explanation is made from.
type judged struct {
	At      int64 // Unix nanoseconds
	names   *Names
	walk    persistence.Walk
	outcome Outcome
	chosen  int              // candidate index; -1: none
	open    balance.Eligible // whom the algorithm chose from
	tried   balance.Eligible
	states  [maxCandidates]seen
	losses  [persistence.MaxReadings]Loss // of readings that are bound to a server that is gone
	loss    Loss
	lossAt  int // index of its reading
	step    string
	why     string
	pinned  bool
	aside   bool
	housed  bool             // where the mailbox is has decided
	panics  bool             // panic_below is in effect
	backups balance.Eligible // the candidates that are backups
	full    balance.Eligible // those without a place for one more
	seated  bool             // the request has waited, and has a place at the chosen server
}

// seen is what a candidate was when a decision was taken.
type seen struct {
	state    uint8 // a balance.State
	standing persistence.Standing
}

// judge writes the decision down. It does not allocate.
func (d *Decision) judge(now int64, j *judged) {
	p := d.Profile
	j.At, j.names, j.walk, j.outcome, j.chosen = now, p.Names, d.Walk, d.Outcome, d.chosen
	j.open, j.tried, j.loss, j.lossAt = d.among(), d.tried, d.loss, int(d.lossAt)
	j.step, j.why, j.pinned, j.aside, j.panics = d.Step(), d.Why(), d.pinned, d.aside, p.Panics()
	j.housed, j.seated, j.backups, j.full = d.housed, d.seated(), p.Backups, 0
	for i := range p.Candidates[:min(len(p.Candidates), maxCandidates)] {
		s := p.Candidates[i].Service
		if s.Server.Full() && (i != d.chosen || !j.seated) {
			j.full |= 1 << uint(i)
		}
		j.states[i] = seen{uint8(s.State()), d.Standing(s.Server.ID)}
	}
	for i := range d.Walk.Readings[:d.Walk.N] {
		j.losses[i] = NoLoss
		if rd := &d.Walk.Readings[i]; rd.Use == persistence.Vanished {
			j.losses[i] = d.lossOf(rd.Server)
		}
	}
	if d.loss != NoLoss && !d.aside {
		j.losses[d.lossAt] = d.loss // as it was when it counted
	}
}

// Explain decides for r as for a request of client, and says why. It moves
// nothing, not even the turn of the algorithm: the request itself, at that
// moment, comes to the same answer, unless the algorithm draws lots.
func (p *Profile) Explain(now int64, r *Request) *Explanation {
	q := *p
	q.Algorithm = p.Algorithm.Clone()
	var d Decision
	q.Decide(now, r, &d)
	var j judged
	d.judge(now, &j)
	return j.explain()
}

// Explain says why the decision was taken.
func (k *Kept) Explain() *Explanation {
	e := k.explain()
	e.Client = k.Client.String()
	if k.Source.IsValid() && k.Source != k.Client.Addr().Unmap() {
		e.Source = k.Source.String()
	}
	e.Method, e.Path = k.Method(), k.Path()
	return e
}

// Why and the others below are what decisions are selected by.

// Why returns the decision's word.
func (k *Kept) Why() string { return k.why }

// VIP returns the name of the VIP.
func (k *Kept) VIP() string { return k.names.VIP }

// Profile returns the name of the profile.
func (k *Kept) Profile() string { return k.names.Profile }

// Server returns the name of the chosen server; empty if none was.
func (k *Kept) Server() string { return k.server() }

// From reports whether the request came from a client in p.
func (k *Kept) From(p netip.Prefix) bool {
	return p.Contains(k.Client.Addr().Unmap()) || p.Contains(k.Source.Unmap())
}

// Explanation says why a request or a connection goes where it goes. Its JSON
// names are stable; docs/OPERATIONS.md lists them.
type Explanation struct {
	At        time.Time         `json:"at"`
	VIP       string            `json:"vip"`
	VIPBy     string            `json:"vip_by,omitempty"` // how a question came to this VIP
	Profile   string            `json:"profile"`          // empty: none serves the request
	Client    string            `json:"client,omitempty"`
	Source    string            `json:"source,omitempty"` // the client that a trusted proxy names
	Method    string            `json:"method,omitempty"`
	Host      string            `json:"host,omitempty"`
	Path      string            `json:"path,omitempty"` // without the query
	Pool      string            `json:"pool,omitempty"`
	Scope     string            `json:"scope,omitempty"`
	Algorithm string            `json:"algorithm,omitempty"`
	Chain     []string          `json:"chain"`
	Steps     []ExplainedStep   `json:"steps"`
	Servers   []ExplainedServer `json:"servers"`
	Server    string            `json:"server"` // empty: none
	Step      string            `json:"step"`   // that decided; empty: none did
	Why       string            `json:"why"`    // as in the access record; of an answer of casbah's own its cause
	Loss      string            `json:"loss,omitempty"`
	Status    int               `json:"status,omitempty"` // of an answer of casbah's own
	Text      string            `json:"text"`
	Notes     []string          `json:"notes,omitempty"`
}

// ExplainedStep is what one step of the chain came to. It shows no value that
// the client sent.
type ExplainedStep struct {
	Step      string  `json:"step"`
	Found     string  `json:"found"`
	Key       string  `json:"key,omitempty"` // the first digits of its hash, as listings of bindings show it
	Server    string  `json:"server,omitempty"`
	Standing  string  `json:"standing,omitempty"`
	Loss      string  `json:"loss,omitempty"` // why that server does not serve
	Confirmed bool    `json:"confirmed,omitempty"`
	Shared    string  `json:"shared,omitempty"`  // why an address is one of many clients
	Clients   uint16  `json:"clients,omitempty"` // that were counted behind it
	Age       *uint32 `json:"age_seconds,omitempty"`
	Left      *uint32 `json:"left_seconds,omitempty"` // that it lives on if it is not used
}

// ExplainedServer is what a server was when the decision was taken.
type ExplainedServer struct {
	Server   string `json:"server"`
	State    string `json:"state"`
	Standing string `json:"standing"` // for clients that are bound to it
	Eligible bool   `json:"eligible"` // for clients that nothing binds
	Tried    bool   `json:"tried,omitempty"`
	Backup   bool   `json:"backup,omitempty"` // it takes new clients only while no ordinary server does
	Full     bool   `json:"full,omitempty"`   // it has no place for one more
}

// keyShown is how many hexadecimal digits of a key are shown.
const keyShown = 12

// explain puts the decision into words.
func (j *judged) explain() *Explanation {
	e := &Explanation{
		At: time.Unix(0, j.At).UTC(), VIP: j.names.VIP, Profile: j.names.Profile,
		Pool: j.names.Pool, Scope: j.names.Scope, Algorithm: j.names.Algorithm,
		Chain: append([]string{}, j.names.Chain...), Steps: []ExplainedStep{}, Servers: []ExplainedServer{},
		Server: j.server(), Step: j.step, Why: j.why, Loss: j.loss.String(), Text: j.sentence(),
	}
	switch {
	case j.outcome == Held, j.outcome == NoServer && j.tried != 0:
		e.Status = 502
	case j.outcome == NoServer:
		e.Status = 503
	}
	for i := range j.walk.Readings[:j.walk.N] {
		e.Steps = append(e.Steps, j.explainStep(i))
	}
	for i, name := range j.names.Servers {
		e.Servers = append(e.Servers, ExplainedServer{
			Server: name, State: balance.State(j.states[i].state).String(), Standing: j.states[i].standing.String(),
			Eligible: j.open.Has(i), Tried: j.tried.Has(i), Backup: j.backups.Has(i), Full: j.full.Has(i),
		})
	}
	e.Notes = j.notes()
	return e
}

func (j *judged) explainStep(i int) ExplainedStep {
	rd := &j.walk.Readings[i]
	s := ExplainedStep{Step: j.stepName(rd), Found: rd.Use.String(), Shared: rd.Crowd.String(), Clients: rd.Clients}
	if !rd.Key.IsZero() {
		s.Key = rd.Key.String()[:keyShown]
	}
	if rd.Server == 0 {
		return s
	}
	s.Server, s.Standing, s.Confirmed, s.Loss = j.serverName(rd.Server), rd.Standing.String(), rd.Confirmed, j.losses[i].String()
	s.Age = &rd.Age
	if rd.Life > 0 {
		left := rd.Life - min(rd.Age, rd.Life)
		s.Left = &left
	}
	return s
}

func (j *judged) stepName(rd *persistence.Reading) string { return j.names.Chain[rd.Step] }

// server returns the name of the chosen server, or "".
func (j *judged) server() string {
	if j.outcome != Chosen && j.outcome != Full || j.chosen < 0 {
		return ""
	}
	return j.names.Servers[j.chosen]
}

// serverName returns the name of a server that is bound, be it in the pool or not.
func (j *judged) serverName(id balance.ServerID) string {
	if s := j.names.All.ByID(id); s != nil {
		return s.Name
	}
	return "a server of another configuration"
}

// eligible returns how many servers the algorithm chose from.
func (j *judged) eligible() int { return bits.OnesCount64(uint64(j.open &^ j.full)) }
