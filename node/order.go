package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casbah/balance"
)

// The words of Command.State. That of an Order is one of the first two.
const (
	drainOrder       = "drain"       // bound clients stay, new ones go elsewhere
	maintenanceOrder = "maintenance" // nobody; what is open is finished, then closed
	readyOrder       = "ready"       // no order: the probes alone say
)

// DefaultWait is what open requests are given in maintenance.
const DefaultWait = 30 * time.Second

// Command is what an operator wants of services: of all of a server, or of a pool,
// or of those that have a profile as well.
type Command struct {
	State                 string // drain, maintenance or ready
	Server, Pool, Profile string // of Server and Pool one at least
	Firm                  bool   // of a drain: bound clients leave at their next safe request
	Until                 time.Time
	Wait                  time.Duration // that open requests are given once there is maintenance
	Who, Why              string
	Force                 bool // also if it leaves a profile without a server
}

// Order is what is ordered of a service. Nothing in it changes.
type Order struct {
	State    string // drain or maintenance
	Firm     bool   // of a drain
	Since    time.Time
	Until    time.Time     // when the drain becomes maintenance; zero: it does not by itself
	Wait     time.Duration // that open requests are given in maintenance
	Who, Why string
}

// OrderedService is a service that a Command was about, as it is now.
type OrderedService struct {
	Pool, Server, Profile string
	Before, State         string
	Order                 *Order // nil: none
	Bound                 int    // bindings to the server, those of its other services too
	Open                  int64  // requests and relayed connections
}

// BareError is that a command would leave profiles without a server that takes
// clients.
type BareError struct{ Left []string }

func (e *BareError) Error() string {
	return "it would leave no server for new clients of " + strings.Join(e.Left, ", ") + "; force does it all the same"
}

// inForce is o as the data path goes by it.
func (o *Order) inForce() balance.Order {
	b := balance.Order{Kind: balance.OrderDrain, Since: o.Since.UnixNano()}
	switch {
	case o.State == maintenanceOrder:
		b.Kind, b.Close = balance.OrderMaintenance, o.Since.Add(o.Wait).UnixNano()
	case o.Firm:
		b.Kind = balance.OrderFirm
	}
	if !o.Until.IsZero() {
		b.Until = o.Until.UnixNano()
	}
	return b
}

// Order carries c out, and returns the services that it is about. After ErrUnsaved it
// is in force; after any other error it is not.
func (n *Node) Order(c Command) ([]OrderedService, error) {
	n.reload.Lock()
	defer n.reload.Unlock()
	snap := n.snap.Load()
	if snap == nil {
		return nil, errNotStarted
	}
	plans, err := snap.meant(&c)
	if err != nil {
		return nil, err
	}
	if left := snap.bare(plans, c.State == drainOrder); len(left) > 0 && c.State != readyOrder && !c.Force {
		return nil, &BareError{left}
	}
	now := time.Now()
	ordered := make([]OrderedService, 0, len(plans))
	for _, p := range plans {
		before := p.service.State().String()
		n.orders.set(now, p, c.order(now))
		ordered = append(ordered, OrderedService{Pool: p.key.pool, Server: p.key.server, Profile: p.key.profile, Before: before})
	}
	n.event("operator", c.text(plans))
	err = n.saveOrders(snap)
	n.engine.Review()
	n.orders.changed()
	bound := n.live.table.Stats(now.UnixNano()).ByServer
	for i, p := range plans {
		o := &ordered[i]
		o.State, o.Order, o.Bound, o.Open = p.service.State().String(), n.orders.of(p.key), bound[p.service.Server.ID], p.service.Active.Load()
	}
	return ordered, err
}

// order returns what c orders of a service; nil: nothing.
func (c *Command) order(now time.Time) *Order {
	if c.State == readyOrder {
		return nil
	}
	o := &Order{State: c.State, Since: plain(now), Wait: c.Wait, Who: c.Who, Why: c.Why}
	if c.State == drainOrder {
		o.Firm, o.Until = c.Firm, plain(c.Until)
	}
	return o
}

// plain returns t in a form of which equal times are equal values, as those of one
// order are to who compares them.
func plain(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).Local()
}

// meant returns the services that c is about.
func (s *snapshot) meant(c *Command) ([]*plan, error) {
	names := [3][]string{}
	given := [3]string{c.Server, c.Pool, c.Profile}
	var plans []*plan
	for i := range s.plans {
		p := &s.plans[i]
		own := [3]string{p.key.server, p.key.pool, p.key.profile}
		meant := true
		for k := range own {
			names[k] = append(names[k], own[k])
			meant = meant && (given[k] == "" || given[k] == own[k])
		}
		if meant {
			plans = append(plans, p)
		}
	}
	for k, word := range []string{"server", "pool", "profile"} {
		if given[k] != "" && !slices.Contains(names[k], given[k]) {
			slices.Sort(names[k])
			return nil, fmt.Errorf("%s: %w, got %q; want one of %s", word, ErrUnknown, given[k], strings.Join(slices.Compact(names[k]), ", "))
		}
	}
	if len(plans) == 0 {
		return nil, fmt.Errorf("%w: no service is of %s", ErrUnknown, c.what())
	}
	return plans, nil
}

// bare names the profiles of pools that have a server for new clients, and none
// without plans: one that is up or, where panic_below counts and none is, any that
// is not in maintenance. A drain takes nothing away from the latter.
func (s *snapshot) bare(plans []*plan, drain bool) []string {
	type group struct {
		pool, profile string
		panics        bool // those that serve only while none is up
	}
	panics := make(map[string]bool)
	for i := range s.config.Pools {
		panics[s.config.Pools[i].Name] = s.config.Pools[i].PanicBelow > 0
	}
	has, keeps := make(map[group]bool), make(map[group]bool)
	for i := range s.plans {
		p := &s.plans[i]
		g := group{pool: p.key.pool, profile: p.key.profile}
		if st := p.service.State(); st != balance.Up && st != balance.Unknown {
			if g.panics = panics[p.key.pool] && st != balance.Maintenance && !drain; !g.panics {
				continue
			}
		}
		has[g] = true
		keeps[g] = keeps[g] || !slices.Contains(plans, p)
	}
	var left []string
	for g := range has {
		if keeps[g] || g.panics && has[group{pool: g.pool, profile: g.profile}] {
			continue
		}
		left = append(left, fmt.Sprintf("profile %s of pool %s", g.profile, g.pool))
	}
	slices.Sort(left)
	return left
}

// what names what c is about.
func (c *Command) what() string {
	var parts []string
	for _, p := range []struct{ word, name string }{{"", c.Server}, {"pool ", c.Pool}, {"profile ", c.Profile}} {
		if p.name != "" {
			parts = append(parts, p.word+p.name)
		}
	}
	return strings.Join(parts, ", ")
}

// text tells of c in a line.
func (c *Command) text(plans []*plan) string {
	text := fmt.Sprintf("%s: %s", c.what(), c.State)
	if c.State == drainOrder && c.Firm {
		text = fmt.Sprintf("%s: firm drain", c.what())
	}
	if c.State == drainOrder && !c.Until.IsZero() {
		text += ", then maintenance at " + c.Until.Format(time.RFC3339)
	}
	if c.State == maintenanceOrder {
		text += fmt.Sprintf(", what is open is closed after %s", c.Wait)
	}
	text += fmt.Sprintf(" (%d services)", len(plans))
	if c.Who != "" {
		text += ", by " + c.Who
	}
	if c.Why != "" {
		text += ": " + c.Why
	}
	return text
}

// check returns what is wrong with an order that a file holds.
func (o *Order) check() error {
	switch {
	case o.State != drainOrder && o.State != maintenanceOrder:
		return fmt.Errorf("state: want drain or maintenance, got %q", o.State)
	case o.Since.IsZero():
		return errors.New("since: want a time")
	case o.Wait < 0:
		return fmt.Errorf("wait: want no negative time, got %s", o.Wait)
	case o.State == maintenanceOrder && (o.Firm || !o.Until.IsZero()):
		return errors.New("want no firm and until in maintenance")
	}
	return nil
}
