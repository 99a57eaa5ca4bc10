package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/tlsterm"
)

const (
	// adviseEvery is how often the servers are asked for their certificates again:
	// casbah hears of no change there.
	adviseEvery = 24 * time.Hour

	// adviseRetry is how often that is tried again where a server has shown none.
	adviseRetry = 10 * time.Minute

	// adviseAtOnce is how many servers are asked at the same time.
	adviseAtOnce = 8
)

// Protection is what is known of Extended Protection: whether logins that are
// bound to TLS work through casbah.
type Protection struct {
	Checked time.Time // zero: not yet
	Advice  []Advice
	Servers []ShownLeaf // of pools that are reached by TLS
}

// Advice is what an administrator should know or do.
type Advice = tlsterm.Advice

// ShownLeaf is the certificate that a server has shown to casbah.
type ShownLeaf struct {
	Pool, Server string
	Fingerprint  string // empty: Error says why it is not known
	Error        string
}

// CheckProtection asks the servers of conf for their certificates, and judges each
// VIP. It needs no running casbah, and changes nothing.
func CheckProtection(ctx context.Context, conf *profiles.Config) (*Protection, error) {
	snap, err := scratch(conf)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	for _, e := range snap.endpoints {
		all.Go(func() { _ = resolve(ctx, e) }) // Leaf tells of one without an address
	}
	all.Wait()
	return snap.protection(ctx, time.Now()), nil
}

// scratch returns a snapshot of conf that serves nobody.
func scratch(conf *profiles.Config) (*snapshot, error) {
	passphrase := make([]byte, 32)
	_, _ = rand.Read(passphrase) // never fails: crypto/rand ends the process instead
	l := newLive(persistence.NewTable(persistence.TableOptions{PerCore: 1, Cores: 1}), persistence.Secret(passphrase[:len(persistence.Secret{})]))
	return l.build(conf, passphrase)
}

// protection asks the servers, and judges.
func (s *snapshot) protection(ctx context.Context, now time.Time) *Protection {
	p := &Protection{Checked: now}
	asked := s.leaves(ctx)
	for _, v := range s.vips {
		t, ok := s.terms(v)
		if !ok {
			continue
		}
		for _, e := range v.secured() {
			t.Servers = append(t.Servers, asked[e])
		}
		p.Advice = append(p.Advice, tlsterm.Advise(&t)...)
	}
	for _, a := range asked {
		leaf := ShownLeaf{Pool: a.Pool, Server: a.Server}
		if a.Leaf != nil {
			leaf.Fingerprint = tlsterm.Fingerprint(a.Leaf)
		} else {
			leaf.Error = a.Err.Error()
		}
		p.Servers = append(p.Servers, leaf)
	}
	slices.SortFunc(p.Servers, func(a, b ShownLeaf) int {
		return cmp.Or(strings.Compare(a.Pool, b.Pool), strings.Compare(a.Server, b.Server), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	p.Servers = slices.Compact(p.Servers) // one that is reached at several ports
	return p
}

// leaves asks every endpoint that VIPs of HTTP reach by TLS for its certificate.
func (s *snapshot) leaves(ctx context.Context) map[*balance.Endpoint]tlsterm.Answerer {
	var mu sync.Mutex
	var all sync.WaitGroup
	asked := make(map[*balance.Endpoint]tlsterm.Answerer)
	turn := make(chan struct{}, adviseAtOnce)
	for _, v := range s.vips {
		for _, e := range v.secured() {
			mu.Lock()
			_, known := asked[e]
			if !known {
				asked[e] = tlsterm.Answerer{}
			}
			mu.Unlock()
			if known {
				continue
			}
			all.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				ctx, cancel := context.WithTimeout(ctx, e.ConnectTimeout)
				defer cancel()
				leaf, err := health.Leaf(ctx, e)
				mu.Lock()
				defer mu.Unlock()
				asked[e] = tlsterm.Answerer{Pool: v.conf.Pool, Server: e.Name, Leaf: leaf, Err: err}
			})
		}
	}
	all.Wait()
	return asked
}

// secured returns the endpoints that v reaches by TLS of casbah's own, if it
// serves HTTP.
func (v *builtVIP) secured() []*balance.Endpoint {
	if v.conf.Type != "http" && v.conf.Type != "https" {
		return nil
	}
	var all []*balance.Endpoint
	for _, p := range v.route.Profiles {
		for i := range p.Candidates {
			if e := p.Candidates[i].Endpoint; e.TLS != nil && !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	return all
}

// terms returns what decides whether bound logins work on v; false for a VIP that
// has no directories.
func (s *snapshot) terms(v *builtVIP) (tlsterm.Terms, bool) {
	t := tlsterm.Terms{VIP: v.conf.Name, Pool: v.conf.Pool}
	switch v.conf.Type {
	case "http":
	case "https":
		t.Way = tlsterm.WayOffload
		if len(v.secured()) > 0 {
			t.Way = tlsterm.WayReencrypt
		}
		t.Shown = v.certs.Shown(v.conf.Hosts)
	case "ssl_bridge":
		t.Way = tlsterm.WayBridge
	default:
		return t, false
	}
	for _, name := range v.conf.Profiles {
		p := s.config.Profiles[name]
		if v.conf.Type == "http" && p.HTTPSRedirect {
			continue // nobody logs in there
		}
		t.Directories = append(t.Directories, tlsterm.Directory{
			Profile: name,
			Asks:    tlsterm.ParseProtection(p.ExtendedProtection),
			Usual:   tlsterm.ParseProtection(profiles.UsualProtection(s.config.Preset, name)),
		})
	}
	return t, true
}

// adviser judges Extended Protection while the node runs. Made by newAdviser.
type adviser struct {
	due chan struct{} // something has changed; holds one

	mu   sync.Mutex // guards the field below
	last Protection
}

func newAdviser() *adviser { return &adviser{due: make(chan struct{}, 1)} }

// again has the servers asked again soon. It does not wait.
func (a *adviser) again() {
	select {
	case a.due <- struct{}{}:
	default:
	}
}

func (a *adviser) latest() Protection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// keepAdvising judges at the start, when something has changed, and daily, until
// the node stops.
func (n *Node) keepAdvising() {
	daily, retry := time.NewTicker(adviseEvery), time.NewTicker(adviseRetry)
	defer daily.Stop()
	defer retry.Stop()
	for {
		again := false
		select {
		case <-n.background.Done():
			return
		case <-n.adviser.due:
		case <-daily.C:
			again = true
		case <-retry.C:
			if p := n.adviser.latest(); !slices.ContainsFunc(p.Servers, func(s ShownLeaf) bool { return s.Error != "" }) {
				continue
			}
		}
		n.advise(time.Now(), again)
	}
}

// advise asks the servers and tells what is new, or with again all that holds.
func (n *Node) advise(now time.Time, again bool) {
	before := n.adviser.latest()
	p := n.snap.Load().protection(n.background, now)
	if n.background.Err() != nil {
		return // who was asked was cut short
	}
	for i := range p.Advice {
		a := &p.Advice[i]
		if !again && slices.ContainsFunc(before.Advice, func(b Advice) bool { return AdviceText(a) == AdviceText(&b) }) {
			continue
		}
		if a.Weight == tlsterm.Notice {
			n.event("protection", AdviceText(a))
		} else {
			n.warn("protection", AdviceText(a))
		}
	}
	if len(before.Advice) > 0 && len(p.Advice) == 0 {
		n.event("protection", "Extended Protection: nothing stands in the way of bound logins any more")
	}
	n.adviser.mu.Lock()
	n.adviser.last = *p
	n.adviser.mu.Unlock()
}

// AdviceText is an advice as logs and commands tell it.
func AdviceText(a *Advice) string {
	return fmt.Sprintf("vip %s: %s: %s: %s", a.VIP, strings.Join(a.Profiles, ", "), a.Weight, a.Text)
}
