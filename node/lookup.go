package node

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
)

// BindingLookup is what a client brings. Its keys are read from it by the chains
// themselves.
type BindingLookup struct {
	VIP, Profile string   // whose chains; empty: those of all
	From, To     string   // addresses of the client and of the VIP; empty: it shows none
	User         string   // of Authorization, such as alice or EXAMPLE\alice
	Cookie       string   // the value of the cookies that the chain reads, or name=value
	Headers      []string // more header lines
}

// FoundBinding is what a step made of that.
type FoundBinding struct {
	Binding        // the zero Key is none; Server is empty where nothing is bound
	Step    string // that has read it
	Says    string // why there is no binding, or where else the server stands; empty for a binding
}

// FindBindings looks up what the chains read of a client. It changes nothing,
// and keeps nothing of what it is told.
func (n *Node) FindBindings(l *BindingLookup) ([]FoundBinding, error) {
	q, err := n.query(&BindingFilter{})
	if err != nil {
		return nil, err
	}
	if err := checkNames(q.snap, l.VIP, l.Profile); err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	f := finder{query: q, table: n.live.table, now: time.Now(), known: make(map[persistence.Key]bool)}
	for _, v := range q.snap.vips {
		for _, p := range v.route.Profiles {
			if l.VIP != "" && v.conf.Name != l.VIP || l.Profile != "" && p.Name != l.Profile {
				continue
			}
			r, err := l.request(v, p, q.snap.config.Profiles[p.Name])
			if err != nil {
				return nil, err
			}
			f.walk(v, p, r)
		}
	}
	return f.found, nil
}

// finder collects what chains read.
type finder struct {
	*query
	table *persistence.Table
	now   time.Time
	known map[persistence.Key]bool // what is found already: VIPs share keys
	found []FoundBinding
}

// anyServer lets a walk look at every server alike: whether one is usable is not
// what is asked.
type anyServer struct{}

func (anyServer) Standing(balance.ServerID) persistence.Standing { return persistence.Usable }

// walk adds what the chain of p on v reads of r.
func (f *finder) walk(v *builtVIP, p *route.Profile, r *persistence.Request) {
	var w persistence.Walk
	p.Chain.Walk(f.now.UnixNano(), r, anyServer{}, &w)
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Use == persistence.Empty || rd.Use == persistence.Absent || f.known[rd.Key] {
			continue
		}
		row := FoundBinding{Step: p.Chain.StepName(int(rd.Step))}
		if rd.Key.IsZero() {
			row.Owner = &BindingOwner{
				Scopes: []string{p.Names.Scope},
				VIPs:   []string{v.conf.Name}, Profiles: []string{p.Name}, Steps: []string{row.Step},
			}
			f.keyless(&row, rd)
			continue
		}
		f.known[rd.Key] = true
		b, ok := f.table.Find(f.now.UnixNano(), rd.Key)
		if !ok {
			b = persistence.Binding{Key: rd.Key, Used: f.now}
		}
		if !ok || rd.Use == persistence.Shared {
			row.Says = rd.Use.String()
		}
		f.fill(&row.Binding, f.now, &b)
		f.found = append(f.found, row)
	}
}

// keyless adds a reading that names a server itself, or no client.
func (f *finder) keyless(row *FoundBinding, rd *persistence.Reading) {
	row.Says = rd.Use.String()
	if rd.Server != 0 {
		row.Server, row.Says = f.servers[rd.Server], "named by the request itself"
		row.Age, row.Confirmed = time.Duration(rd.Age)*time.Second, rd.Confirmed
	}
	f.found = append(f.found, *row)
}

// check refuses what no client could bring. It does not repeat what may be secret.
func (l *BindingLookup) check() error {
	if l.From == "" && l.User == "" && l.Cookie == "" && len(l.Headers) == 0 {
		return errors.New("want what the client brings: from, user, cookie or headers")
	}
	for field, text := range map[string]string{"from": l.From, "to": l.To} {
		if _, err := netip.ParseAddr(text); text != "" && err != nil {
			return &FilterError{field, "an IP address", text}
		}
	}
	if strings.Contains(l.User, ":") {
		return errors.New("user: want a name alone, without a colon") // what follows may be a password
	}
	for i, line := range append([]string{"Cookie: " + l.Cookie}, l.Headers...) {
		if err := checkHeader(line); err != nil {
			return fmt.Errorf("header %d: %w", i, err)
		}
	}
	return nil
}

// request is a request to p on v that brings what l says.
func (l *BindingLookup) request(v *builtVIP, p *route.Profile, rules *profiles.Profile) (*persistence.Request, error) {
	r := &persistence.Request{Secure: v.route.Secure}
	r.Source, _ = netip.ParseAddr(l.From) // check has looked at both; none is the zero address
	r.Dest, _ = netip.ParseAddr(l.To)
	if l.To == "" && len(v.addrs) > 0 && !v.addrs[0].Addr().IsUnspecified() {
		r.Dest = v.addrs[0].Addr()
	}
	if rules.Protocol != "http" {
		return r, nil
	}
	path := "/"
	if len(p.Paths) > 0 {
		path = p.Paths[0]
	}
	ask := asked{method: "GET", target: path, headers: slices.Clone(l.Headers)}
	if l.User != "" {
		ask.headers = append(ask.headers, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(l.User+":")))
	}
	if l.Cookie != "" {
		ask.headers = append(ask.headers, "Cookie: "+l.cookies(v, rules))
	}
	r.Head = new(httphead.Request)
	if err := r.Head.Parse(ask.head("localhost")); err != nil {
		return nil, fmt.Errorf("user, cookie, headers: want what a request can hold: %w", err)
	}
	return r, nil
}

// cookies returns the value of a Cookie header: l's own, if it begins with the
// name of a cookie that the profile reads, else one with its value for each.
func (l *BindingLookup) cookies(v *builtVIP, rules *profiles.Profile) string {
	name, _, named := strings.Cut(l.Cookie, "=")
	var pairs []string
	if named {
		pairs = append(pairs, l.Cookie)
	}
	for i := range rules.Chain {
		own := ""
		switch s := &rules.Chain[i]; s.By {
		case persistence.Cookie.String():
			own = s.Name
		case persistence.InsertCookie.String():
			own = profiles.InsertedName(v.conf, rules, s)
		}
		if own == name && named {
			return l.Cookie
		}
		if own != "" && own != "*" {
			pairs = append(pairs, own+"="+l.Cookie)
		}
	}
	if len(pairs) == 0 {
		return l.Cookie
	}
	return strings.Join(pairs, "; ")
}
