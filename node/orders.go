package node

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"casbah/balance"
)

// orders are what operators have ordered of services. They outlive reloads and
// restarts. The zero value is ready.
type orders struct {
	mu    sync.Mutex // guards the fields below; held for a look or a change
	all   map[serviceKey]ordered
	known []serviceKey  // the services of ordered servers before a restart, those without an order too
	wake  chan struct{} // told of each change; nil before the first look
	saves sync.Mutex    // serializes saving: what is in force later is in the file last
}

// ordered is one order with the service that it is in force for; nil: that is not
// known yet.
type ordered struct {
	order   *Order
	service *balance.Service
}

// set puts o in force for the service of p; nil ends what was.
func (s *orders) set(now time.Time, p *plan, o *Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o == nil {
		delete(s.all, p.key)
		p.service.SetOrder(now, balance.Order{})
		return
	}
	if s.all == nil {
		s.all = make(map[serviceKey]ordered)
	}
	s.all[p.key] = ordered{o, p.service}
	p.service.SetOrder(now, o.inForce())
}

// of returns the order in force for a service; nil: none.
func (s *orders) of(key serviceKey) *Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[key].order
}

// changed has who waits for the next deadline look again.
func (s *orders) changed() {
	select {
	case s.waker() <- struct{}{}:
	default: // told already
	}
}

// waker returns the channel that tells of changes.
func (s *orders) waker() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// orderLook is after what time is looked for deadlines at the latest: they are times
// of the day, and the clock may be set meanwhile.
const orderLook = time.Minute

// pause returns in what time is to be looked for deadlines again; false: there are
// none.
func (s *orders) pause(now time.Time) (time.Duration, bool) {
	at, ok := s.due()
	return min(at.Sub(now), orderLook), ok
}

// due returns when the first drain becomes maintenance; false: none does.
func (s *orders) due() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if u := e.order.Until; !u.IsZero() && (!ok || u.Before(at)) {
			at, ok = u, true
		}
	}
	return at, ok
}

// end puts in maintenance what has drained until now, and returns it by its keys.
func (s *orders) end(now time.Time) []serviceKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []serviceKey
	for key, e := range s.all {
		if u := e.order.Until; u.IsZero() || u.After(now) {
			continue
		}
		o := *e.order
		o.State, o.Firm, o.Since, o.Until = maintenanceOrder, false, o.Until, time.Time{}
		s.all[key] = ordered{&o, e.service}
		if e.service != nil {
			e.service.SetOrder(now, o.inForce())
		}
		ended = append(ended, key)
	}
	slices.SortFunc(ended, compareKeys)
	return ended
}

// follow puts the orders in force for the services of plans, and drops those of
// services that are gone, which it returns. A service that is not among those before,
// at the start those of the file, takes over what all others of its server have in
// common; joined says that one did.
func (s *orders) follow(now time.Time, plans []plan, before []serviceKey) (dropped []serviceKey, joined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before == nil {
		before = s.known
	}
	named := make(map[serviceKey]bool, len(plans))
	for i := range plans {
		p := &plans[i]
		named[p.key] = true
		e := s.all[p.key]
		if e.order == nil && before != nil && !slices.Contains(before, p.key) {
			e.order = s.common(p.key.server, before)
			joined = joined || e.order != nil
		}
		if e.order != nil {
			s.all[p.key] = ordered{e.order, p.service}
			p.service.SetOrder(now, e.order.inForce())
		}
	}
	maps.DeleteFunc(s.all, func(k serviceKey, _ ordered) bool {
		if !named[k] {
			dropped = append(dropped, k)
		}
		return !named[k]
	})
	slices.SortFunc(dropped, compareKeys)
	return dropped, joined
}

// common returns the order that all services of a server have; nil: none.
func (s *orders) common(server string, services []serviceKey) *Order {
	var o *Order
	for _, k := range services {
		if k.server != server {
			continue
		}
		switch e := s.all[k].order; {
		case e == nil, o != nil && *e != *o:
			return nil
		default:
			o = e
		}
	}
	return o
}

func compareKeys(a, b serviceKey) int {
	return strings.Compare(a.server+"\n"+a.pool+"\n"+a.profile, b.server+"\n"+b.pool+"\n"+b.profile)
}

// keepOrders ends drains at their deadlines until the node stops.
func (n *Node) keepOrders() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.background.Done():
			return
		case <-n.orders.waker():
		case <-timer.C:
		}
		n.endDrains(time.Now())
		if wait, ok := n.orders.pause(time.Now()); ok {
			timer.Reset(wait)
		}
	}
}

// endDrains puts in maintenance what has drained until now.
func (n *Node) endDrains(now time.Time) {
	ended := n.orders.end(now)
	if len(ended) == 0 {
		return
	}
	n.event("operator", "the time to drain is over, now in maintenance: "+namesOf(ended))
	if err := n.saveOrders(n.snap.Load()); err != nil {
		n.warn("operator", err.Error())
	}
	n.engine.Review()
}

// followOrders puts the orders in force for the services of snap.
func (n *Node) followOrders(snap *snapshot) {
	var before []serviceKey
	if old := n.snap.Load(); old != nil {
		before = old.services()
	}
	dropped, joined := n.orders.follow(time.Now(), snap.plans, before)
	if len(dropped) > 0 {
		n.event("operator", "these are not configured any more, and what was ordered of them is forgotten: "+namesOf(dropped))
	}
	if len(dropped) == 0 && !joined {
		return
	}
	if err := n.saveOrders(snap); err != nil {
		n.warn("operator", err.Error())
	}
}

// services returns the keys of all services.
func (s *snapshot) services() []serviceKey {
	keys := make([]serviceKey, len(s.plans))
	for i := range s.plans {
		keys[i] = s.plans[i].key
	}
	return keys
}

// namesOf names services by their servers.
func namesOf(keys []serviceKey) string {
	var parts []string
	for i, k := range keys {
		if i == 0 || keys[i-1].server != k.server || keys[i-1].pool != k.pool {
			parts = append(parts, fmt.Sprintf("%s of pool %s (%s)", k.server, k.pool, k.profile))
			continue
		}
		last := &parts[len(parts)-1]
		*last = strings.TrimSuffix(*last, ")") + ", " + k.profile + ")"
	}
	return strings.Join(parts, "; ")
}

// The form of the file.
const (
	orderFileName    = "orders.json"
	orderFileVersion = 1
)

type orderFile struct {
	Version int             `json:"version"`
	Orders  []orderRecord   `json:"orders"`
	Without []serviceRecord `json:"without,omitempty"` // the other services of the same servers
}

type serviceRecord struct {
	Server  string `json:"server"`
	Pool    string `json:"pool"`
	Profile string `json:"profile"`
}

type orderRecord struct {
	serviceRecord
	State string    `json:"state"`
	Firm  bool      `json:"firm,omitempty"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
	Wait  string    `json:"wait"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
}

func (n *Node) orderFile() stateFile {
	return stateFile{filepath.Join(n.config.StateDir, orderFileName)}
}

// saveOrders writes all orders to the state directory.
func (n *Node) saveOrders(snap *snapshot) error {
	n.orders.saves.Lock()
	defer n.orders.saves.Unlock()
	if err := n.orderFile().save(n.orders.record(snap.services())); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsaved, err)
	}
	return nil
}

// record returns all orders as they stand in the file. It names the services that
// have none as well: what a restart finds beside both was added meanwhile, and joins
// its server as after a reload.
func (s *orders) record(services []serviceKey) *orderFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &orderFile{Version: orderFileVersion, Orders: []orderRecord{}}
	servers := make(map[string]bool) // that have one
	for _, k := range slices.SortedFunc(maps.Keys(s.all), compareKeys) {
		o := s.all[k].order
		servers[k.server] = true
		f.Orders = append(f.Orders, orderRecord{serviceRecord{k.server, k.pool, k.profile}, o.State, o.Firm, o.Since, o.Until, o.Wait.String(), o.Who, o.Why})
	}
	for _, k := range services {
		if servers[k.server] && s.all[k].order == nil {
			f.Without = append(f.Without, serviceRecord{k.server, k.pool, k.profile})
		}
	}
	return f
}

// restoreOrders takes over what was ordered before a restart, for services that
// are known later. If it cannot, nothing is ordered.
func (n *Node) restoreOrders() {
	var f orderFile
	err := n.orderFile().load(&f)
	if err == nil {
		if err = n.orders.restore(&f); err != nil {
			err = setAside(n.orderFile().path, err)
		}
	}
	if err != nil {
		n.warn("operator", "what operators have ordered of servers is lost, all are used again: "+err.Error())
		return
	}
	if len(f.Orders) > 0 {
		n.event("operator", fmt.Sprintf("orders from before the start are in force again: %d", len(f.Orders)))
	}
}

// restore takes over the orders of a file, or says what is wrong with it.
func (s *orders) restore(f *orderFile) error {
	if f.Version != orderFileVersion && len(f.Orders)+f.Version > 0 {
		return fmt.Errorf("version: want %d, got %d", orderFileVersion, f.Version)
	}
	all := make(map[serviceKey]ordered, len(f.Orders))
	for i := range f.Orders {
		r := &f.Orders[i]
		wait, err := time.ParseDuration(r.Wait)
		o := &Order{r.State, r.Firm, plain(r.Since), plain(r.Until), wait, r.Who, r.Why}
		if err = errors.Join(err, o.check()); err != nil {
			return fmt.Errorf("orders[%d]: %w", i, err)
		}
		all[serviceKey{r.Pool, r.Profile, r.Server}] = ordered{order: o}
	}
	known := slices.Collect(maps.Keys(all))
	for _, w := range f.Without {
		known = append(known, serviceKey{w.Pool, w.Profile, w.Server})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.known = all, known
	return nil
}
