package node

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/protocols/relay"
	"casbah/route"
	"casbah/tlsterm"
)

// snapshot is the run-time form of one configuration. Nothing in it changes
// once it is in force.
type snapshot struct {
	config *profiles.Config // that of the file, with what operators have set
	vips   []*builtVIP
	plans  []plan // what is probed

	file     *profiles.Config
	timeouts timeouts // over those of the file

	endpoints map[endpointKey]*balance.Endpoint
	trusts    map[trustKey]*tlsterm.Trust
	mappings  map[mappingKey]*mapping        // servers whose ports are learned
	monitors  map[serviceKey]*health.Monitor // who probes; set by commit
}

// builtVIP is one VIP of a snapshot.
type builtVIP struct {
	conf   *profiles.VIP
	route  *route.VIP
	tls    *tls.Config         // nil: plain
	certs  *tlsterm.Certs      // of tls
	asks   *tlsterm.ClientAuth // likewise; nil: clients show no certificates
	given  []given             // what clients of a mapper that rewrites are told; set by commit
	mapper *relay.Mapper       // that does so; nil: none does; set by commit
	mail   *relay.Protocol     // what is followed as it passes; nil: nothing
	addrs  []netip.AddrPort    // of its listeners, their ports chosen; set by commit
}

// plan says what is probed of a service, and how.
type plan struct {
	key      serviceKey
	service  *balance.Service
	endpoint *balance.Endpoint
	probe    profiles.Probe
	host     string // the Host header of an HTTP probe
	fqdn     string // what the server calls itself; empty: not known
	deep     profiles.DeepProbe
	guard    *health.Guard // of the account of deep; nil: there is none

	interfaces []string            // of an rpc probe
	wants      []health.Registered // of an epm probe
	mapping    *mapping            // by which the endpoint's port is learned; nil: it is not
}

// builder makes one snapshot. It changes nothing that is in force.
type builder struct {
	*live
	conf    *profiles.Config
	servers map[string]*profiles.Server
	pools   map[string]*profiles.Pool
	sealer  *persistence.Sealer
	out     *snapshot
	planned map[serviceKey]bool

	placements map[string]*persistence.Placement // by pool, of those that ask where mailboxes are
}

// build returns the snapshot of conf. Cookies are sealed under the passphrase, and
// opened under the old ones as well.
func (l *live) build(conf *profiles.Config, passphrase []byte, old ...[]byte) (*snapshot, error) {
	sealer, err := persistence.NewSealer(passphrase, old...)
	if err != nil {
		return nil, fmt.Errorf("cookie_passphrase: %w", err)
	}
	b := &builder{
		live: l, conf: conf, sealer: sealer,
		servers: make(map[string]*profiles.Server),
		pools:   make(map[string]*profiles.Pool),
		out:     &snapshot{config: conf, endpoints: make(map[endpointKey]*balance.Endpoint), trusts: make(map[trustKey]*tlsterm.Trust)},
		planned: make(map[serviceKey]bool),
	}
	for i := range conf.Servers {
		b.servers[conf.Servers[i].Name] = &conf.Servers[i]
	}
	for i := range conf.Pools {
		b.pools[conf.Pools[i].Name] = &conf.Pools[i]
	}
	for i := range conf.VIPs {
		v, err := b.vip(&conf.VIPs[i])
		if err != nil {
			return nil, fmt.Errorf("vip %s: %w", conf.VIPs[i].Name, err)
		}
		b.out.vips = append(b.out.vips, v)
	}
	b.lead()
	b.mappings()
	return b.out, nil
}

// lead tells every profile of a persistence group who leads it on its pool, be it
// on the same VIP or on another one, as where each VIP has one profile.
func (b *builder) lead() {
	type group struct{ pool, name string }
	leads := make(map[group]*route.Profile)
	for _, v := range b.out.vips {
		for _, p := range v.route.Profiles {
			if rules := b.conf.Profiles[p.Name]; rules.Lead {
				leads[group{p.Names.Pool, rules.Group}] = p
			}
		}
	}
	for _, v := range b.out.vips {
		for _, p := range v.route.Profiles {
			if rules := b.conf.Profiles[p.Name]; rules.Group != "" && !rules.Lead {
				p.Lead = leads[group{p.Names.Pool, rules.Group}]
			}
		}
	}
}

func (b *builder) vip(conf *profiles.VIP) (*builtVIP, error) {
	v := &builtVIP{conf: conf, route: &route.VIP{
		Name:           conf.Name,
		Secure:         conf.Type == "https",
		Hosts:          conf.Hosts,
		RootRedirect:   conf.RootRedirect,
		TrustedProxies: conf.TrustedProxies,
		HeadBytes:      b.conf.Limits.HeadBytes,
		Counters:       b.vipCounters(conf.Name),
		Decisions:      b.decisions,

		Shield:          shieldOf(conf),
		SubjectHeader:   conf.TLS.ClientHeader,
		Challenges:      b.challenges,
		Private:         b.private(),
		HTTP2:           conf.HTTP2,
		StrictTransport: strictTransport(&conf.TLS),
	}}
	for _, name := range conf.Profiles {
		rules := b.conf.Profiles[name]
		p, err := b.profile(conf, rules)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", name, err)
		}
		v.add(p, rules)
	}
	if err := b.routes(v); err != nil {
		return nil, err
	}
	v.speaks(b.conf.Profiles, b.pools[conf.Pool])
	if conf.EndsTLS() {
		if err := b.terminate(v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// add has v serve p.
func (v *builtVIP) add(p *route.Profile, rules *profiles.Profile) {
	v.route.Profiles = append(v.route.Profiles, p)
	v.route.HeaderTimeout = max(v.route.HeaderTimeout, rules.HeaderTimeout)
	v.route.IdleTimeout = max(v.route.IdleTimeout, rules.IdleTimeout)
}

func (b *builder) profile(vip *profiles.VIP, rules *profiles.Profile) (*route.Profile, error) {
	pool := b.pools[vip.Pool]
	algorithm, err := balance.New(pool.Algorithm)
	if err != nil {
		return nil, err
	}
	p := &route.Profile{
		Name:            rules.Name,
		Paths:           rules.Paths,
		Methods:         rules.Methods,
		ResponseTimeout: cmp.Or(rules.ResponseTimeout, rules.IdleTimeout),
		IdleTimeout:     rules.IdleTimeout,
		MinBodyRate:     rules.MinBodyRate,
		Reuse:           rules.Reuse == "anonymous",
		WebSocket:       rules.WebSocket,
		Algorithm:       algorithm,
		PanicBelow:      pool.PanicBelow,
		Traffic:         b.vipCounters(vip.Name).Traffic(rules.Name, pool.Name),
	}
	if vip.Type == "http" && rules.HTTPSRedirect {
		p.HTTPSPort = cmp.Or(profiles.HTTPSPort(b.conf, rules), 443)
	}
	var members []persistence.Member
	for _, name := range pool.Servers {
		c, err := b.candidate(vip, pool, rules, b.servers[name])
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", name, err)
		}
		if slices.Contains(pool.Backup, name) {
			p.Backups |= 1 << uint(len(p.Candidates))
		}
		p.Candidates = append(p.Candidates, c)
		members = append(members, persistence.Member{ID: c.Service.Server.ID, Name: name, OwnID: b.servers[name].ID, Endpoint: c.Endpoint})
	}
	if p.Chain, err = b.chain(vip, rules, members); err != nil {
		return nil, err
	}
	p.Names = b.names(vip, p)
	return p, nil
}

func (b *builder) candidate(vip *profiles.VIP, pool *profiles.Pool, rules *profiles.Profile, s *profiles.Server) (balance.Candidate, error) {
	port, learned := profiles.Port(vip, pool, rules), ""
	if b.conf.Learns(vip, rules) {
		learned = rules.Name
	}
	probed, err := b.endpoint(pool, s, port, vip.Transparent, learned)
	if err != nil {
		return balance.Candidate{}, err
	}
	e := probed
	if vip.Type == "ssl_bridge" { // TLS is the client's; casbah's own is for probes
		passed := *pool
		passed.UpstreamTLS, passed.TLS = "off", profiles.PoolTLS{}
		if e, err = b.endpoint(&passed, s, port, vip.Transparent, learned); err != nil {
			return balance.Candidate{}, err
		}
	}
	key := serviceKey{pool.Name, rules.Name, s.Name}
	service := b.service(key)
	if !b.planned[key] {
		b.planned[key] = true
		b.out.plans = append(b.out.plans, plan{
			key: key, service: service, endpoint: probed, probe: rules.Probe, host: probeHost(vip, rules.Probe), interfaces: rules.Interfaces,
			fqdn: s.FQDN, deep: deepOf(rules), guard: b.guard(deepOf(rules)),
		})
	}
	return balance.Candidate{Service: service, Endpoint: e, Weight: s.Weight, SlowStart: pool.SlowStart}, nil
}

// probeHost is the Host that a probe sends: what it names, or the VIP's first host.
func probeHost(vip *profiles.VIP, p profiles.Probe) string {
	if p.Host == "" && len(vip.Hosts) > 0 {
		return vip.Hosts[0]
	}
	return p.Host
}

// endpoint returns where pool reaches s, on that port unless the server has its
// own, or on that which its endpoint mapper says of the profile learned, if there is
// one. One that is in force already is used again, so that open connections go on.
func (b *builder) endpoint(pool *profiles.Pool, s *profiles.Server, port int, transparent bool, learned string) (*balance.Endpoint, error) {
	target := targetOf(s, port)
	key := endpointKey{pool.Name, s.Name, target, pool.UpstreamTLS, fmt.Sprint(pool.TLS), pool.ConnectTimeout, pool.ProxyProtocol, transparent, learned}
	if e := b.out.endpoints[key]; e != nil {
		return e, nil
	}
	e := b.endpoints[key]
	if e == nil {
		e = &balance.Endpoint{
			Server: b.live.servers.Get(s.Name).ID, Name: s.Name,
			Target: target, ConnectTimeout: pool.ConnectTimeout, Transparent: transparent, Learned: learned != "",
			ProxyProtocol: map[string]int{"v1": 1, "v2": 2}[pool.ProxyProtocol],
		}
		if err := b.encrypt(e, pool); err != nil {
			return nil, err
		}
	}
	b.out.endpoints[key] = e
	return e, nil
}

// encrypt has e speak TLS as its pool says: from the beginning, or once the server
// has been asked for it.
func (b *builder) encrypt(e *balance.Endpoint, pool *profiles.Pool) (err error) {
	switch pool.UpstreamTLS {
	case "on":
		e.TLS, err = b.upstreamTLS(pool, e.Target)
	case "starttls":
		e.StartTLS, err = b.upstreamTLS(pool, e.Target)
	}
	return err
}

// targetOf returns the server's host and port: its own port wins over the one
// given.
func targetOf(s *profiles.Server, port int) string {
	if host, own, err := net.SplitHostPort(s.Address); err == nil {
		return net.JoinHostPort(host, own)
	}
	return net.JoinHostPort(strings.Trim(s.Address, "[]"), strconv.Itoa(port))
}

func (b *builder) chain(vip *profiles.VIP, rules *profiles.Profile, members []persistence.Member) (*persistence.Chain, error) {
	conf := persistence.Config{
		Scope:    profiles.Scope(vip, rules),
		Table:    b.table,
		Secret:   b.secret,
		Timeout:  cmp.Or(rules.BindingTimeout, time.Minute),
		Strict:   rules.StrictOrder,
		Fallback: rules.Fallback,
		Pressure: &b.vipCounters(vip.Name).Table,
		Members:  members,
		Sealer:   b.sealer,

		Placement: b.placement(b.pools[vip.Pool]),

		Crowds:         b.crowds,
		SharedAfter:    rules.SharedAfter,
		SharedNetworks: rules.SharedNetworks,
		SingleNetworks: rules.SingleNetworks,
	}
	if vip.TableFull == "refuse" {
		conf.Full = persistence.Refuse
	}
	for i := range rules.Chain {
		if s, ok := b.step(vip, rules, &rules.Chain[i]); ok {
			conf.Steps = append(conf.Steps, s)
		}
	}
	return persistence.NewChain(conf)
}

// step returns the run-time form of a step; false for one that this version
// does not have, of which check has told.
func (b *builder) step(vip *profiles.VIP, rules *profiles.Profile, s *profiles.Step) (persistence.Step, bool) {
	by, ok := persistence.ParseMethod(s.By)
	if !ok {
		return persistence.Step{}, false
	}
	step := persistence.Step{By: by, Name: s.Name, Prefix4: s.Prefix4, Prefix6: s.Prefix6}
	switch by {
	case persistence.Cookie:
		if s.Origin == "client" {
			step.Origin = persistence.FromClient
			break
		}
		step.Also = b.groupCookies(rules, s.Name)
		step.Companions = b.companions(vip, rules)
	case persistence.InsertCookie:
		step.Insert = persistence.Insert{
			Name: profiles.InsertedName(vip, rules, s), Version: s.CookieVersion, Timeout: s.CookieTimeout,
			Domain: s.Domain, Path: s.Path, Secure: s.Secure, HTTPOnly: s.HTTPOnly, SameSite: s.SameSite,
			Netscaler: s.Format == "netscaler",
		}
	case persistence.CustomServerID:
		step.In = map[string]persistence.Place{
			"query": persistence.InQuery, "header": persistence.InHeader, "cookie": persistence.InCookie,
		}[s.In]
	case persistence.Rule:
		step.Expression = s.Expression
	case persistence.None, persistence.SourceIP, persistence.Header, persistence.URLServerID, persistence.Mailbox,
		persistence.DestIP, persistence.SrcDestIP, persistence.RPCAssociation, persistence.SSLID, persistence.RPCConnection: // by, name and masks say it all
	}
	return step, true
}

// companions returns those of the cookies that the profile and its group learn.
func (b *builder) companions(vip *profiles.VIP, rules *profiles.Profile) []persistence.Companion {
	var all []persistence.Companion
	for _, p := range b.conf.Profiles {
		if p != rules && (rules.Group == "" || p.Group != rules.Group) {
			continue
		}
		for _, s := range p.Chain {
			if s.Companion {
				all = append(all, persistence.Companion{
					Of: s.Name, Name: profiles.CompanionName(vip, rules, s.Name), Secure: vip.Type == "https",
				})
			}
		}
	}
	return all
}

// groupCookies returns the cookies that the other profiles of the group learn.
func (b *builder) groupCookies(rules *profiles.Profile, own string) []string {
	var names []string
	for _, p := range b.conf.Profiles {
		if p == rules || rules.Group == "" || p.Group != rules.Group {
			continue
		}
		for _, s := range p.Chain {
			if s.By == "cookie" && s.Origin != "client" && s.Name != own && s.Name != "*" && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
