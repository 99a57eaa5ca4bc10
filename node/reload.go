package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"casbah/internal/transparent"
	"casbah/profiles"
	"casbah/route"
)

// Reload reads the configuration file again and puts it in force. It is checked
// and built aside: on an error the configuration in force stays. Open
// connections, bindings and counters survive.
func (n *Node) Reload(ctx context.Context) error {
	n.reload.Lock()
	defer n.reload.Unlock()
	err := n.reloadFile(ctx)
	if err != nil {
		n.reading.Store(&reading{taken: n.reading.Load().taken, mistake: err})
		n.events.add(time.Now(), "reload", "reload refused, the configuration in force stays: "+err.Error())
		return fmt.Errorf("reload: %w", err)
	}
	n.reading.Store(&reading{taken: time.Now()})
	n.event("reload", "configuration reloaded")
	return nil
}

// reading is what came of the last look at the configuration file. Who asks sees
// all of it or nothing: no mistake next to the time at which it was mended.
type reading struct {
	taken   time.Time // when the file in force was read
	mistake error     // why the last one is not in force; nil: it is
}

func (n *Node) reloadFile(ctx context.Context) error {
	if n.stopping.Load() {
		return errors.New("casbah is stopping")
	}
	conf, notes, err := profiles.Load(n.config.Path)
	if err != nil {
		return err
	}
	for _, note := range notes {
		n.log.Warn().Msg(note.String())
	}
	if changed := processChanges(&n.config.Process, &conf.Process); len(changed) > 0 {
		n.log.Warn().Strs("keys", changed).Msg("these keys take effect when casbah is started again")
	}
	conf.Process = n.config.Process
	return n.apply(ctx, conf)
}

// processChanges names the keys that differ and that a reload does not change.
func processChanges(a, b *profiles.Process) []string {
	var keys []string
	differ := func(key string, yes bool) {
		if yes {
			keys = append(keys, key)
		}
	}
	differ("state_dir", a.StateDir != b.StateDir)
	differ("engine", a.Engine != b.Engine)
	differ("loops", a.Loops != b.Loops)
	differ("drain_timeout", a.DrainTimeout != b.DrainTimeout)
	differ("log", a.Log != b.Log)
	differ("limits", a.Limits != b.Limits)
	differ("admin", a.Admin != b.Admin)
	differ("tickets", a.Tickets != b.Tickets)
	return keys
}

// apply builds the snapshot of conf, opens what it needs, and puts it in force.
// Everything that can fail comes before anything that changes.
func (n *Node) apply(ctx context.Context, conf *profiles.Config) error {
	passphrase, old := passphrases(conf, n.passphrase)
	snap, err := n.live.build(n.timeouts.over(conf), passphrase, old...)
	if err != nil {
		return err
	}
	snap.file, snap.timeouts = conf, n.timeouts
	if err := permitted(conf); err != nil {
		return err
	}
	sockets, err := n.open(ctx, snap)
	if err != nil {
		return err
	}
	n.resolveAll(ctx, snap)
	n.learnAll(ctx, snap)
	if err := ctx.Err(); err != nil { // servers may have no address for that
		for _, s := range sockets {
			s.net.Close()
		}
		return fmt.Errorf("whoever asked for it has gone before the servers were looked up: %w", err)
	}
	n.commit(snap, sockets) //nolint:contextcheck // probes live as long as the node, not as the reload
	return nil
}

// permitted returns an error if this host does not let casbah do what conf wants.
func permitted(conf *profiles.Config) error {
	for i := range conf.VIPs {
		if v := &conf.VIPs[i]; v.Transparent {
			if err := transparent.Permitted(); err != nil {
				return fmt.Errorf("vip %s: transparent: %w", v.Name, err)
			}
		}
	}
	return nil
}

// passphrases returns what cookies are sealed under, and then what else they are
// opened under: old passphrases and, beside a configured one, the generated one
// that was in force until there was another.
func passphrases(conf *profiles.Config, generated []byte) (passphrase []byte, old [][]byte) {
	for _, p := range conf.CookiePassphrasesOld {
		old = append(old, []byte(p.Reveal()))
	}
	if p := conf.CookiePassphrase.Reveal(); p != "" {
		return []byte(p), append(old, generated)
	}
	return generated, old
}

// commit puts snap in force. Nothing in it can fail.
func (n *Node) commit(snap *snapshot, opened []*socket) {
	n.live.limit(snap.config, n.snap.Load())
	n.followOrders(snap)
	n.live.endpoints, n.live.mappings, n.live.trusts, n.live.vips = snap.endpoints, snap.mappings, snap.trusts, snap.vips
	kept := make(map[string]bool)
	for _, v := range snap.vips {
		kept[v.conf.Name] = true
		if v.conf.Rewrites() {
			v.given = n.givenBy(snap.config, v, opened)
			v.mapper = n.mapper(v, snap.mappings)
		}
		n.enter(v)
	}
	for name, e := range n.entries {
		if !kept[name] {
			n.retire(e)
			delete(n.entries, name)
		}
	}
	n.live.keep(snap.plans)
	for _, s := range opened {
		n.entries[s.vip].sockets[s.conf] = s
		n.serve(s)
	}
	for _, v := range snap.vips {
		v.addrs = n.entries[v.conf.Name].addrs()
	}
	snap.monitors = n.probe(snap.plans)
	n.snap.Store(snap)
	n.adviser.again()
	n.RefreshCertificates(time.Now())
	n.stapleSoon()
	n.want(snap.config)
}

// enter puts v in force for the connections of its VIP, and closes the
// listeners that it no longer names.
func (n *Node) enter(v *builtVIP) {
	if n.access != nil {
		counters := v.route.Counters
		v.route.Users = n.config.Log.Users
		v.route.Log = func(r *route.Record) {
			if !n.access.record(r) {
				counters.Unlogged.Add(1)
			}
		}
	}
	n.watchClashes(v)
	n.watchSplits(v)
	n.watchForeign(v)
	e := n.entries[v.conf.Name]
	if e != nil && e.conf.Type != v.conf.Type {
		n.retire(e) // its connections speak something else
		e = nil
	}
	if e == nil {
		e = newEntry(&n.challenges.tls)
		n.entries[v.conf.Name] = e
	}
	e.conf = *v.conf
	if v.tls != nil {
		countHandshakes(v.tls, &v.route.Counters.Handshakes)
		e.tls.Store(n.tickets.Sessions(v.tls, v.asks))
	}
	e.current.Store(v.route)
	e.relayed.Store(v.relay())
	n.shut(e)
	if e.listener != nil {
		e.listener.SetProxyFrom(v.conf.AcceptProxyFrom)
		e.listener.SetMaxConns(v.conf.Connections)
	}
}

// retire closes the listeners of a VIP that is gone, and has its connections
// close behind their next answers. What is relayed goes on.
func (n *Node) retire(e *entry) {
	e.conf.Listen = nil
	n.shut(e)
	n.leaving.add(e.conf.Name, e.listener)
	last := *e.current.Load()
	last.Retired = true
	e.current.Store(&last)
	relayed := *e.relayed.Load()
	relayed.VIP = &last
	e.relayed.Store(&relayed)
}

// shut closes the listeners of e that its configuration does not name.
func (n *Node) shut(e *entry) {
	for addr, s := range e.sockets {
		if !slices.Contains(e.conf.Listen, addr) {
			delete(e.sockets, addr)
			s.net.Close()
		}
	}
}

// config returns the TLS configuration in force, for GetConfigForClient, or that of a
// challenge.
func (e *entry) config(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if c := e.challenges.Config(hello); c != nil {
		return c, nil
	}
	return e.inForce(hello)
}

// inForce returns the TLS configuration in force. It is all there is behind STARTTLS:
// an ACME server speaks TLS from the first octet on.
func (e *entry) inForce(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	return e.tls.Load().Config(hello)
}
