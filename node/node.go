// Package node joins the rest: it builds a snapshot from a configuration, opens
// the listeners of its VIPs, probes its services, puts a new snapshot in force
// on reload, and drains on stop. Control and data plane meet in the snapshot
// and in live counters alone.
package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"casbah/engine"
	"casbah/engine/datagram"
	"casbah/engine/netconn"
	"casbah/internal/acmecert"
	"casbah/internal/logs"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
	"casbah/tlsterm"
)

// Node is one running casbah. Made by New, set to work by Start.
type Node struct {
	log      zerolog.Logger // of what is of no part of its own
	logs     *logs.Set
	version  string
	started  time.Time
	cores    int              // that the process may use; the loops change what the runtime says
	config   *profiles.Config // as started; Process of it never changes
	engine   engine.Engine
	streams  *netconn.Engine // of it, what drives HTTP/2 and all else where the configuration says net
	flows    *datagram.Engine
	access   *accessLog // nil: off
	throttle throttle
	tickets  *tlsterm.TicketKeys
	events   events
	clashes  chan clash       // of cookies, to be logged
	splits   chan route.Split // of RPC connections, likewise
	foreign  chan route.Foreign
	stale    chan *mapping

	live       *live
	tableFile  *tableFile
	ticketFile ticketFile
	adviser    *adviser
	growth     growth

	certificates certificates
	challenges   challenges
	acme         *acmecert.Manager
	unstapled    chan struct{} // wakes who asks responders

	reload     sync.Mutex // serializes Start, Reload and the first part of Stop, and guards the fields below
	passphrase []byte
	entries    map[string]*entry // by VIP name
	probes     map[serviceKey]*probing
	probeRun   sync.Mutex // held by a run of probes that somebody has asked for
	timeouts   timeouts

	orders   orders
	leaving  leaving
	snap     atomic.Pointer[snapshot] // in force, nil before Start; who only looks needs no lock
	reading  atomic.Pointer[reading]  // of the configuration file, the last one
	stopping atomic.Bool
	ready    atomic.Bool
	panics   atomic.Uint64

	background context.Context //nolint:containedctx // the life of probes and look-ups, which Start begins and Stop ends
	cancel     context.CancelFunc
	work       sync.WaitGroup
}

// Options are what a Node takes besides its configuration.
type Options struct {
	Log     zerolog.Logger
	Version string
}

// New makes a node of a checked configuration: it opens the state directory and
// the access log, and listens nowhere yet.
func New(conf *profiles.Config, o Options) (*Node, error) {
	if err := openStateDir(conf.StateDir); err != nil {
		return nil, err
	}
	secret, err := secretFile(conf.StateDir, "binding.key", len(persistence.Secret{}))
	if err != nil {
		return nil, err
	}
	passphrase, err := secretFile(conf.StateDir, "cookie.key", 32)
	if err != nil {
		return nil, err
	}
	table := persistence.NewTable(persistence.TableOptions{PerCore: conf.Limits.Bindings})
	n := &Node{
		logs:       logs.New(o.Log, conf.Log.Level),
		version:    o.Version,
		started:    time.Now(),
		cores:      runtime.GOMAXPROCS(0),
		config:     conf,
		tickets:    tlsterm.NewTicketKeys(time.Now()),
		clashes:    make(chan clash, clashQueue),
		splits:     make(chan route.Split, splitQueue),
		foreign:    make(chan route.Foreign, foreignQueue),
		stale:      make(chan *mapping, staleQueue),
		unstapled:  make(chan struct{}, 1),
		live:       newLive(table, persistence.Secret(secret)),
		tableFile:  newTableFile(conf.StateDir),
		adviser:    newAdviser(),
		ticketFile: newTicketFile(conf),
		passphrase: passphrase,
		entries:    make(map[string]*entry),
		probes:     make(map[serviceKey]*probing),
	}
	n.acme = acmecert.NewManager(o.Version, &n.challenges)
	n.live.challenges, n.live.staples = &n.challenges.http, tlsterm.NewStaples(filepath.Join(conf.StateDir, stapleDir))
	n.log = *n.logs.Of(logs.Node)
	if n.access, err = openAccessLog(conf.Log.Access, n.recordsLost); err != nil {
		return nil, err
	}
	if n.engine, err = n.openEngine(); err != nil {
		return nil, errors.Join(err, n.closeAccess())
	}
	n.flows = n.newFlows()
	n.background, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// Start puts the configuration in force: listeners are open when it returns. On
// an error nothing is left open.
func (n *Node) Start(ctx context.Context) error {
	n.reload.Lock()
	defer n.reload.Unlock()
	n.restoreTable(time.Now(), n.config)
	n.restoreTickets(time.Now())
	n.restoreTimeouts()
	n.restoreOrders()
	if err := n.apply(context.WithoutCancel(ctx), n.config); err != nil { // one that is told to stop meanwhile stops in order
		n.cancel()
		n.work.Wait()
		n.engine.Close()
		n.flows.Close()
		return errors.Join(err, n.closeAccess())
	}
	n.reading.Store(&reading{taken: time.Now()})
	n.work.Go(n.keepResolving)
	n.work.Go(n.keepLearning)
	n.work.Go(n.keepCertificates)
	n.work.Go(func() { n.keepStaples(n.background) })
	n.work.Go(func() { n.keepACME(n.background) })
	n.work.Go(n.keepTickets)
	n.work.Go(n.keepAdvising)
	n.work.Go(n.keepTelling)
	n.work.Go(n.keepTable)
	n.work.Go(n.keepOrders)
	n.ready.Store(true)
	n.event("start", fmt.Sprintf("casbah %s started with %s on %d cores", n.version, n.config.Path, n.cores))
	return nil
}

// Ready reports whether the node takes traffic; it turns false first on stop.
func (n *Node) Ready() bool { return n.ready.Load() && !n.stopping.Load() }

// event notes something that an administrator may ask about, and logs it.
func (n *Node) event(kind, text string) {
	n.events.add(time.Now(), kind, text)
	n.about(kind).Info().Str("event", kind).Msg(text)
}

// warn is event for what an administrator should do something about.
func (n *Node) warn(kind, text string) {
	n.events.add(time.Now(), kind, text)
	n.about(kind).Warn().Str("event", kind).Msg(text)
}

// Addrs returns the addresses that the VIP of that name listens on, in the order
// of its configuration.
func (n *Node) Addrs(vip string) []netip.AddrPort {
	snap := n.snap.Load()
	if snap == nil || n.stopping.Load() {
		return nil
	}
	for _, v := range snap.vips {
		if v.conf.Name == vip {
			return slices.Clone(v.addrs)
		}
	}
	return nil
}

func (n *Node) closeAccess() error {
	if n.access == nil {
		return nil
	}
	return n.access.stop()
}
