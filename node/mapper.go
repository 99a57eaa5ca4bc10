package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/profiles"
	"casbah/protocols/msrpc"
)

// learnEvery is how often servers are asked again where their interfaces listen.
// A failure of theirs asks at once.
const learnEvery = 30 * time.Second

// staleQueue is how many servers can wait to be asked again; more are asked in time.
const staleQueue = 64

// learnApart is how soon after a question the next one follows that clients or
// probes bring about: a server that names two ports in turn is no reason for more.
const learnApart = time.Second

// learnTimeout bounds one question.
const learnTimeout = 2 * time.Second

// mapping is a server behind a mapper that rewrites: what its own endpoint mapper
// says of its ports. Snapshots that ask the same of it share it.
type mapping struct {
	server  string
	mapper  *balance.Endpoint
	lessons []lesson
	ask     []msrpc.Syntax // of all lessons, in order

	mu    sync.Mutex   // held while the mapper is asked
	asked atomic.Int64 // when it was asked last, in Unix nanoseconds
	due   atomic.Bool  // it is going to be asked again, but not yet
	known atomic.Pointer[knowledge]
}

// lesson is an endpoint whose port is to be learned: that of the first interface.
type lesson struct {
	profile    string
	interfaces []string // as the profile has them
	endpoint   *balance.Endpoint
}

// knowledge is what is known of a mapping.
type knowledge struct {
	ports []learnedPort // in the order of ask
	err   error         // of the last question; the ports are of before, then
}

// learnedPort is where an interface listens.
type learnedPort struct {
	port  uint16 // 0: the mapper does not know it, or has not been asked
	since time.Time
}

// same reports whether m and o ask the same.
func (m *mapping) same(o *mapping) bool {
	return m.server == o.server && m.mapper == o.mapper && slices.EqualFunc(m.lessons, o.lessons, func(a, b lesson) bool {
		return a.profile == b.profile && a.endpoint == b.endpoint && slices.Equal(a.interfaces, b.interfaces)
	})
}

// inherit takes over what old, of another configuration, knows of the same server:
// it may hold still, whether the mapper answers now or not.
func (m *mapping) inherit(old *mapping) {
	known := old.known.Load()
	addr, ok := old.mapper.Addr()
	if known == nil || !ok || m.mapper.Target != old.mapper.Target {
		return
	}
	next := &knowledge{ports: make([]learnedPort, len(m.ask)), err: known.err}
	for i, iface := range m.ask {
		if j := slices.Index(old.ask, iface); j >= 0 {
			next.ports[i] = known.ports[j]
		}
	}
	i := 0
	for j := range m.lessons {
		l := &m.lessons[j]
		if _, reached := l.endpoint.Addr(); !reached && next.ports[i].port != 0 {
			l.endpoint.SetAddr(netip.AddrPortFrom(addr.Addr(), next.ports[i].port))
		}
		i += len(l.interfaces)
	}
	m.known.Store(next)
}

// learn asks the mapper and puts what it says in force for connections to come. It
// reports whether that is something else, and what an administrator may want to know.
func (m *mapping) learn(ctx context.Context, now time.Time) (changed bool, news []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked.Store(now.UnixNano())
	asking, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	ports, err := health.Ports(asking, m.mapper, m.ask)
	addr, ok := m.mapper.Addr()
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled): // who asks has gone: that says nothing of the mapper
		return false, nil
	case err != nil || !ok: // what was learned stays: it may hold still
		return false, m.missed(err)
	}
	old := m.known.Load()
	next := &knowledge{ports: make([]learnedPort, len(m.ask))}
	i := 0
	for j := range m.lessons {
		l := &m.lessons[j]
		for k, name := range l.interfaces {
			was := old.port(i)
			if next.ports[i] = was; ports[i] != was.port {
				next.ports[i], changed = learnedPort{ports[i], now}, true
			}
			if ports[i] != was.port && old != nil { // else it is the start of a server like any other
				news = append(news, fmt.Sprintf("%s of %s is %s, was %s", name, m.server, portText(ports[i]), portText(was.port)))
			}
			if first := ports[i-k]; ports[i] != 0 && ports[i] != first && ports[i] != was.port {
				news = append(news, fmt.Sprintf("%s of %s has a port of its own, and needs a profile of its own: %s reaches the server at port %d", name, m.server, l.profile, first))
			}
			i++
		}
		if port := ports[i-len(l.interfaces)]; port != 0 {
			l.endpoint.SetAddr(netip.AddrPortFrom(addr.Addr(), port))
		}
	}
	m.known.Store(next)
	return changed, news
}

// missed notes that the mapper could not be asked, and tells of it once.
func (m *mapping) missed(err error) (news []string) {
	old := m.known.Load()
	next := &knowledge{ports: make([]learnedPort, len(m.ask)), err: err}
	if old != nil {
		next.ports = old.ports
	}
	if old == nil || old.err == nil {
		news = []string{fmt.Sprintf("the ports of %s cannot be learned: %v", m.server, err)}
	}
	m.known.Store(next)
	return news
}

// port returns what is known of the i-th interface. Of a nil knowledge it is nothing.
func (k *knowledge) port(i int) learnedPort {
	if k == nil {
		return learnedPort{}
	}
	return k.ports[i]
}

func portText(port uint16) string {
	if port == 0 {
		return "at no port"
	}
	return fmt.Sprintf("at port %d", port)
}

// differs reports whether a server has said another port than is known.
func (m *mapping) differs(iface msrpc.Syntax, port uint16) bool {
	known := m.known.Load()
	for i := range m.ask {
		if a := &m.ask[i]; a.UUID == iface.UUID && a.Major == iface.Major {
			return known.port(i).port != port
		}
	}
	return false
}

// learnAll asks the mappers of snap, all at once.
func (n *Node) learnAll(ctx context.Context, snap *snapshot) {
	var wg sync.WaitGroup
	for _, m := range snap.mappings {
		wg.Go(func() { n.learn(ctx, m) })
	}
	wg.Wait()
}

// learn asks one mapper and reports whether anything has changed.
func (n *Node) learn(ctx context.Context, m *mapping) (changed bool) {
	changed, news := m.learn(ctx, time.Now())
	for _, text := range news {
		n.event("mapper", text)
	}
	return changed
}

// learnSoon has one mapper asked, without waiting for it.
func (n *Node) learnSoon(m *mapping) {
	select {
	case n.stale <- m:
	default: // it is asked in time
	}
}

// keepLearning asks the mappers again until the node stops: at each interval, and
// when a server has told a client another port than is known.
func (n *Node) keepLearning() {
	tick := time.NewTicker(learnEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.background.Done():
			return
		case <-tick.C:
			n.learnAll(n.background, n.snap.Load())
		case m := <-n.stale:
			n.learnAgain(m)
		}
	}
}

// learnAgain asks one mapper whose answers are out of date; one that was asked just
// now, perhaps before the server had its new ports, after a while.
func (n *Node) learnAgain(m *mapping) {
	wait := learnApart - time.Since(time.Unix(0, m.asked.Load()))
	switch {
	case wait <= 0:
		n.learn(n.background, m)
	case m.due.CompareAndSwap(false, true):
		time.AfterFunc(wait, func() {
			m.due.Store(false)
			n.learnSoon(m)
		})
	}
}

// relearning is the probe of a service whose port is learned: where it fails, the
// port may be another one by now.
type relearning struct {
	health.Probe

	node    *Node
	mapping *mapping
}

// Check implements health.Probe.
func (r *relearning) Check(ctx context.Context) error {
	_, unasked := r.Probe.(health.NoProbe)
	err := r.Probe.Check(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		r.node.learnSoon(r.mapping) // there is no time left
	case (err != nil || unasked) && r.node.learn(ctx, r.mapping):
		return r.Probe.Check(ctx)
	}
	return err
}

// relearned returns the probe of w, which learns where w's port is learned.
func (n *Node) relearned(w *plan) health.Probe {
	p := newProbe(w)
	if m := w.mapping; m != nil {
		return &relearning{p, n, m}
	}
	return p
}

// syntaxes returns interfaces as they go over the wire.
func syntaxes(names []string) []msrpc.Syntax {
	all := make([]msrpc.Syntax, 0, len(names))
	for _, name := range names {
		i, ok := profiles.ParseInterface(name)
		id, err := msrpc.ParseUUID(i.UUID)
		if !ok || err != nil {
			panic("BUG: an interface that check has let through: " + name)
		}
		all = append(all, msrpc.Syntax{UUID: id, Major: i.Major, Minor: i.Minor})
	}
	return all
}
