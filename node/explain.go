package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"casbah/persistence"
	"casbah/profiles"
	"casbah/protocols/http1"
	"casbah/route"
)

// Explanation says why a request goes where it goes.
type Explanation = route.Explanation

// ExplainedStep is what one step of the chain came to.
type ExplainedStep = route.ExplainedStep

// ExplainedServer is what a server was.
type ExplainedServer = route.ExplainedServer

// Explain says where a request would go now, and why. It changes nothing. An
// error says what is wrong with the question.
func (n *Node) Explain(q *Question) (*Explanation, error) {
	snap := n.snap.Load()
	if snap == nil {
		return nil, errors.New("casbah has not started yet")
	}
	return snap.explain(time.Now(), q)
}

// ExplainConfig says where a request would go behind casbah with that
// configuration, just started: nothing is probed and nothing is bound. It
// listens nowhere and writes nothing.
func ExplainConfig(conf *profiles.Config, q *Question) (*Explanation, error) {
	secret, _ := secretOf(conf, "binding.key", len(persistence.Secret{}))
	generated, known := secretOf(conf, "cookie.key", 32)
	passphrase, old := passphrases(conf, generated)
	table := persistence.NewTable(persistence.TableOptions{PerCore: 1, Cores: 1})
	snap, err := newLive(table, persistence.Secret(secret)).build(conf, passphrase, old...)
	if err != nil {
		return nil, err
	}
	e, err := snap.explain(time.Now(), q)
	if err == nil && !known && conf.CookiePassphrase.Reveal() == "" && slices.ContainsFunc(e.Steps, unknownCookie) {
		e.Notes = append(e.Notes, "cookie.key in state_dir cannot be read here: it takes that to know an inserted cookie")
	}
	return e, err
}

// secretOf returns a secret of the state directory if it can be read, else one
// that nobody has.
func secretOf(conf *profiles.Config, name string, n int) (secret []byte, known bool) {
	if secret, err := readSecretFile(conf.StateDir, name, n); err == nil {
		return secret, true
	}
	secret = make([]byte, n)
	rand.Read(secret) // it never fails
	return secret, false
}

// unknownCookie reports whether an inserted cookie was shown that does not open.
func unknownCookie(s ExplainedStep) bool {
	return strings.HasPrefix(s.Step, "insert_cookie") && s.Found == persistence.Foreign.String()
}

// names returns what explanations call the parts of p.
func (b *builder) names(vip *profiles.VIP, p *route.Profile) *route.Names {
	n := &route.Names{
		VIP: vip.Name, Profile: p.Name, Pool: vip.Pool, Scope: profiles.Scope(vip, b.conf.Profiles[p.Name]),
		Algorithm: b.pools[vip.Pool].Algorithm, All: &b.live.servers,
	}
	for i := 0; p.Chain.StepName(i) != ""; i++ {
		n.Chain = append(n.Chain, p.Chain.StepName(i))
	}
	for i := range p.Candidates {
		n.Servers = append(n.Servers, p.Candidates[i].Service.Server.Name)
	}
	return n
}

// explain answers q under the configuration of the snapshot.
func (s *snapshot) explain(now time.Time, q *Question) (*Explanation, error) {
	a, err := q.parse()
	if err != nil {
		return nil, err
	}
	v, by, err := s.choose(a, q.VIP)
	if err != nil {
		return nil, err
	}
	var e *Explanation
	if a.relayed() {
		e = v.explainConnection(now, a)
	} else {
		e = v.explainRequest(now, a)
	}
	e.At, e.VIP, e.VIPBy = now.UTC(), v.conf.Name, by
	if a.from.IsValid() {
		e.Client = a.from.String()
	} else if slices.ContainsFunc(e.Chain, readsAddress) {
		e.Notes = append(e.Notes, "no address of the client was given: steps that read it find none")
	}
	return e, nil
}

// readsAddress reports whether a step of that name reads the client's address.
func readsAddress(step string) bool {
	return strings.HasPrefix(step, "source_ip") || strings.HasPrefix(step, "src_dest_ip")
}

// explainConnection says where a connection of a VIP that relays would go. To one
// that passes TLS on, the host of the URL is the name that the client asks for.
func (v *builtVIP) explainConnection(now time.Time, a *asked) *Explanation {
	p, name := v.route.Profiles[0], ""
	bridge := v.conf.Type == "ssl_bridge"
	if bridge {
		name = a.name()
	}
	if name != "" {
		p = v.route.ByName([]byte(name))
	}
	if p == nil {
		return v.explainAlert(name)
	}
	e := p.Explain(now.UnixNano(), &route.Request{Source: a.from.Unmap(), Dest: v.called(a)})
	e.Host = name
	if bridge && name == "" && len(v.route.Hosts)+len(v.route.Routes) > 0 {
		e.Notes = append(e.Notes, "the URL has no name, such as tcp://mail.example.org:443, and the VIP goes by that which the client asks for")
	}
	return e
}

// explainAlert says why clients that ask for name are refused.
func (v *builtVIP) explainAlert(name string) *Explanation {
	names := slices.Concat(v.route.Hosts, slices.Sorted(maps.Keys(v.route.Routes)))
	return &Explanation{
		Chain: []string{}, Steps: []route.ExplainedStep{}, Servers: []route.ExplainedServer{}, Host: name, Why: route.CauseHost.String(),
		Text: "the name is none of VIP " + v.conf.Name + ": " + strings.Join(names, ", ") + "; the client gets an alert, unrecognized_name",
	}
}

// explainRequest says where a request would go, or what casbah would answer.
func (v *builtVIP) explainRequest(now time.Time, a *asked) *Explanation {
	got := http1.Examine(v.route, a.head(v.host(a)), http1.Peers{Remote: a.from, Local: v.called(a), Secure: v.route.Secure})
	var e *Explanation
	if got.Status == 0 {
		e = got.Profile.Explain(now.UnixNano(), &got.Request)
		if got.Pins {
			e.Notes = append(e.Notes, "the request carries NTLM, Negotiate or Kerberos: its connection stays with the server from then on, whatever later requests on it show")
		}
	} else {
		e = v.explainAnswer(&got)
	}
	e.Method, e.Path = a.method, a.path()
	if h := got.Request.Head; h != nil {
		e.Host = string(h.Host)
	}
	if s := got.Request.Source; s.IsValid() && s != a.from.Unmap() {
		e.Source = s.String()
	}
	return e
}

// explainAnswer says why casbah answers by itself.
func (v *builtVIP) explainAnswer(got *http1.Admission) *Explanation {
	e := &Explanation{Chain: []string{}, Steps: []route.ExplainedStep{}, Servers: []route.ExplainedServer{}, Status: got.Status}
	if got.Profile != nil {
		e.Profile = got.Profile.Name
	}
	e.Why = got.Cause.String()
	switch {
	case got.Status == 302 && got.Profile != nil:
		e.Why, e.Text = "https", "https_redirect sends the clients of profile "+got.Profile.Name+" to https, with the path and query that they asked for"
	case got.Cause == route.CausePlain:
		e.Text = "https_redirect sends the clients of profile " + got.Profile.Name + " to https, and what is no GET or HEAD cannot be sent there"
	case got.Status == 200:
		e.Why, e.Text = "acme", "an ACME server asks whether the name is ours, and casbah answers by itself"
	case got.Status == 302:
		e.Why, e.Text = "root", "the path is / alone, and root_redirect sends the client to "+v.route.RootRedirect
	case got.Cause == route.CauseHost:
		e.Text = "the host is none of VIP " + v.conf.Name + ": " + strings.Join(v.route.Hosts, ", ")
	case got.Cause == route.CauseProfile:
		e.Text = "no profile of VIP " + v.conf.Name + " serves the path; they are " + v.paths()
	case got.Cause == route.CauseMethod && len(got.Profile.Methods) > 0:
		e.Text = "profile " + got.Profile.Name + " serves the methods " + strings.Join(got.Profile.Methods, ", ") + " alone"
	case got.Cause == route.CauseMethod:
		e.Text = "profile " + got.Profile.Name + " does not serve the method"
	case got.Cause == route.CauseShield:
		e.Text = "the request meets rule " + got.Rule.String() + " of the shield, which stops " + got.Rule.Stops()
	case got.Cause == route.CausePath:
		e.Text = "the path has dot segments, a backslash, or an encoding that servers read in different ways"
	case got.Err != nil:
		e.Text = "the head is refused: " + got.Err.Error()
	case got.Status == 431:
		e.Text = fmt.Sprintf("the head is longer than head_bytes, %d octets", v.route.HeadBytes)
	default:
		e.Text = "the fields that frame the request, or those of its connection, are malformed or contradict each other"
	}
	e.Text += ": " + strconv.Itoa(got.Status)
	return e
}

// paths lists the profiles with their paths.
func (v *builtVIP) paths() string {
	words := make([]string, 0, len(v.route.Profiles))
	for _, p := range v.route.Profiles {
		words = append(words, p.Name+" ("+strings.Join(p.Paths, ", ")+")")
	}
	return strings.Join(words, ", ")
}

// host returns the Host that a client sends for the URL; for a path alone, that
// of somebody who knows the VIP.
func (v *builtVIP) host(a *asked) string {
	switch {
	case a.host != "":
		return a.host
	case len(v.route.Hosts) > 0:
		return v.route.Hosts[0]
	}
	return v.listens()[0].String()
}

// called returns the address that the client calls.
func (v *builtVIP) called(a *asked) netip.Addr {
	if a.addr.IsValid() {
		return a.addr
	}
	return v.listens()[0].Addr().Unmap()
}

// listens returns the addresses of the VIP: those that are open, else those that
// are configured.
func (v *builtVIP) listens() []netip.AddrPort {
	if len(v.addrs) > 0 {
		return v.addrs
	}
	return v.conf.Listen
}
