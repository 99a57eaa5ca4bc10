package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/lab"
	"casbah/profiles"
	"casbah/protocols/msrpc"
)

// rpcLab is two simulated servers of RPC, with the text of a pool of them.
func rpcLab(t *testing.T) (*lab.Array, string) {
	t.Helper()
	a, err := lab.NewArray(lab.Options{Servers: 2, RPC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a, fmt.Sprintf(poolText, a.CAS(0).MailAddr("rpc_endpoint_mapper", false), a.CAS(1).MailAddr("rpc_endpoint_mapper", false), "")
}

// rpcText is the VIPs of RPC, the mapper in a mode.
func rpcText(mapper string) string {
	return tcpVIP("epm", "127.0.0.1:0", "rpc_endpoint_mapper") + "mapper = \"" + mapper + "\"\n" +
		tcpVIP("mailbox", "127.0.0.1:0", "rpc_client_access") + tcpVIP("book", "127.0.0.1:0", "rpc_address_book")
}

// learns lists what is learned of the servers.
func (r *rig) learns() (all []string) {
	for _, s := range r.Status().Pools[0].Servers {
		for _, l := range s.Learned {
			all = append(all, fmt.Sprintf("%s %s %s %d %s", s.Name, l.Profile, l.Interface, l.Port, l.Error))
		}
	}
	return all
}

// portsOf lists what is to be learned of the servers.
func portsOf(a *lab.Array) (all []string) {
	for i, c := range a.Servers() {
		mailbox := netip.MustParseAddrPort(c.MailAddr("rpc_client_access", false)).Port()
		book := netip.MustParseAddrPort(c.MailAddr("rpc_address_book", false)).Port()
		name := fmt.Sprintf("cas%d", i+1)
		all = append(all, fmt.Sprintf("%s rpc_client_access emsmdb %d ", name, mailbox),
			fmt.Sprintf("%s rpc_address_book nspi %d ", name, book), fmt.Sprintf("%s rpc_address_book rfr %d ", name, book))
	}
	return all
}

// Ports are learned when casbah starts, before it serves, and what is learned
// outlives reloads, and mappers that do not answer any more.
func TestPortsAreLearned(t *testing.T) {
	a, pool := rpcLab(t)
	r := newRig(t, t.TempDir(), pool+rpcText("rewrite"))
	if got, want := r.learns(), portsOf(a); !slices.Equal(got, want) {
		t.Fatalf("learned %q; want %q", got, want)
	}
	before := r.snap.Load()
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, m := range r.snap.Load().mappings {
		if before.mappings[key] != m {
			t.Errorf("%v is learned anew after a reload that changes nothing", key)
		}
	}
	for _, c := range a.Servers() {
		if err := c.Fault("rpc_endpoint_mapper", lab.Garbage()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, got := range r.learns() {
		if want := portsOf(a)[i]; !strings.HasPrefix(got, want) || !strings.Contains(got, "not the header") {
			t.Errorf("learned %q; want %q, and why no more", got, want)
		}
	}
	r.write(pool + rpcText("pass"))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.learns(); len(got) != 0 {
		t.Errorf("in mode pass %q is learned", got)
	}
	if m := r.Status().VIPs[0].Mapper; m == nil || m.Mode != "pass" || len(m.Gives) != 0 || r.entries["epm"].relayed.Load().Speaks != nil {
		t.Errorf("mapper %+v", m)
	}
}

// What is known of the ports outlives a reload by which servers are reached in
// another way, also while their mappers do not answer.
func TestPortsOutliveAnotherPool(t *testing.T) {
	a, pool := rpcLab(t)
	r := newRig(t, t.TempDir(), pool+rpcText("rewrite"))
	for _, c := range a.Servers() {
		if err := c.Fault("rpc_endpoint_mapper", lab.Garbage()); err != nil {
			t.Fatal(err)
		}
	}
	r.write(strings.Replace(pool, "[[pool]]", "[[pool]]\nconnect_timeout = \"3s\"", 1) + rpcText("rewrite"))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, got := range r.learns() {
		if want := portsOf(a)[i]; !strings.HasPrefix(got, want) || !strings.Contains(got, "not the header") {
			t.Errorf("learned %q; want %q, and why no more", got, want)
		}
	}
	for key, m := range r.snap.Load().mappings {
		for i := range m.lessons {
			if at, ok := m.lessons[i].endpoint.Addr(); !ok || at.Port() != m.known.Load().port(i).port {
				t.Errorf("%v: %s is reached at %v", key, m.lessons[i].profile, at)
			}
		}
	}
}

// Who asks a mapper and goes has learned nothing, and nothing is told of it.
func TestLearningCutOff(t *testing.T) {
	a, pool := rpcLab(t)
	r := newRig(t, t.TempDir(), pool+rpcText("rewrite"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	m := r.snap.Load().mappings[mappingKey{"cas", "cas1"}]
	if changed, news := m.learn(gone, time.Now()); changed || len(news) != 0 {
		t.Errorf("learned %v, told %q", changed, news)
	}
	if got, want := r.learns(), portsOf(a); !slices.Equal(got, want) {
		t.Errorf("learned %q; want %q", got, want)
	}
}

// A reload that moves the VIP of an interface moves what clients are told.
func TestReloadMovesWhatIsGiven(t *testing.T) {
	_, pool := rpcLab(t)
	r := newRig(t, t.TempDir(), pool+rpcText("rewrite"))
	given := func() (all []string) {
		for _, g := range r.Status().VIPs[0].Mapper.Gives {
			all = append(all, fmt.Sprintf("%s %s %d", g.Interface, g.VIP, g.Port))
		}
		return all
	}
	want := func(book string) []string {
		at := r.Addrs(book)[0].Port()
		return []string{fmt.Sprintf("emsmdb mailbox %d", r.Addrs("mailbox")[0].Port()), fmt.Sprintf("nspi %s %d", book, at), fmt.Sprintf("rfr %s %d", book, at)}
	}
	if got := given(); !slices.Equal(got, want("book")) {
		t.Errorf("given %q; want %q", got, want("book"))
	}
	r.write(pool + strings.Replace(rpcText("rewrite"), tcpVIP("book", "127.0.0.1:0", "rpc_address_book"), tcpVIP("moved", noServer(t), "rpc_address_book"), 1))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := given(); !slices.Equal(got, want("moved")) {
		t.Errorf("after a reload given %q; want %q", got, want("moved"))
	}
}

// Probes of RPC ask at the ports in use: for the mapper those of its pool's VIPs,
// unless they are learned.
func TestProbesOfRPC(t *testing.T) {
	for _, tt := range []struct {
		mapper string
		ports  [3]uint16 // wanted of the mapper, for EMSMDB, NSPI and RFR
	}{{"pass", [3]uint16{59532, 59533, 59533}}, {"rewrite", [3]uint16{}}} {
		snap, _ := built(t, fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "")+rpcText(tt.mapper))
		for i := range snap.plans {
			w := &snap.plans[i]
			switch p := newProbe(w).(type) {
			case *health.EPMProbe:
				for j, want := range []msrpc.Syntax{msrpc.EMSMDB, msrpc.NSPI, msrpc.RFR} {
					if got := p.Wants[j]; got.Interface != want || got.Port != tt.ports[j] {
						t.Errorf("mode %s: the mapper has to know %+v; want %s at %d", tt.mapper, got, want, tt.ports[j])
					}
				}
				if w.mapping != nil || p.Endpoint.Learned || probeText(&w.probe) != "RPC bind, ept_map" {
					t.Errorf("mode %s: the mapper's own port is learned, %+v", tt.mapper, w)
				}
			case *health.RPCProbe:
				want := []msrpc.Syntax{msrpc.EMSMDB}
				if w.key.profile == "rpc_address_book" {
					want = []msrpc.Syntax{msrpc.NSPI, msrpc.RFR}
				}
				if learned := tt.mapper == "rewrite"; !slices.Equal(p.Interfaces, want) || p.Endpoint.Learned != learned || (w.mapping != nil) != learned || probeText(&w.probe) != "RPC bind" {
					t.Errorf("mode %s: %s is probed by %+v", tt.mapper, w.key.profile, p)
				}
			default:
				t.Errorf("mode %s: %s is probed by %T", tt.mapper, w.key.profile, p)
			}
		}
	}
}

// scripted is a probe that fails until it is to succeed.
type scripted struct {
	errs []error
	n    int
}

func (p *scripted) Check(context.Context) error {
	p.n++
	return p.errs[min(p.n, len(p.errs))-1]
}

// A probe that fails has the port learned again, and asks there at once; one whose
// time is over leaves that to others.
func TestProbeLearnsAgain(t *testing.T) {
	a, pool := rpcLab(t)
	r := newRig(t, t.TempDir(), pool+rpcText("rewrite"))
	m := r.snap.Load().mappings[mappingKey{"cas", "cas1"}]
	errGone := errors.New("gone")
	p := &scripted{errs: []error{errGone, nil}}
	probe := &relearning{p, r.Node, m}
	if err := probe.Check(t.Context()); !errors.Is(err, errGone) || p.n != 1 {
		t.Errorf("at the ports that are known: %v after %d questions; want the first answer", err, p.n)
	}
	a.CAS(0).Stop()
	if err := a.CAS(0).Start(); err != nil {
		t.Fatal(err)
	}
	p.n = 0
	if err := probe.Check(t.Context()); err != nil || p.n != 2 {
		t.Errorf("at other ports: %v after %d questions; want the second answer", err, p.n)
	}
	if got, want := r.learns(), portsOf(a); !slices.Equal(got, want) {
		t.Errorf("learned %q; want %q", got, want)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p.n = 0
	if err := probe.Check(over); !errors.Is(err, errGone) || p.n != 1 {
		t.Errorf("out of time: %v after %d questions", err, p.n)
	}
}

// Interfaces of one profile that have ports of their own cannot all be served.
func TestInterfacesApart(t *testing.T) {
	a, _ := rpcLab(t)
	e := new(balance.Endpoint)
	e.SetAddr(netip.MustParseAddrPort(a.CAS(0).MailAddr("rpc_endpoint_mapper", false)))
	all := []string{"emsmdb", "nspi", "12345778-1234-abcd-ef00-0123456789ab/0.0"}
	m := &mapping{server: "cas1", mapper: e, lessons: []lesson{{"all", all, new(balance.Endpoint)}}, ask: syntaxes(all)}
	changed, news := m.learn(t.Context(), time.Now())
	if text := strings.Join(news, "\n"); !changed || !strings.Contains(text, "nspi of cas1 has a port of its own, and needs a profile of its own") || len(news) != 1 {
		t.Errorf("news\n%s", text)
	}
	at, _ := m.lessons[0].endpoint.Addr()
	if want := a.CAS(0).MailAddr("rpc_client_access", false); at.String() != want {
		t.Errorf("reached at %s; want %s, of the first", at, want)
	}
	if changed, news = m.learn(t.Context(), time.Now()); changed || len(news) != 0 {
		t.Errorf("told again: %q", news)
	}
	if !m.differs(msrpc.EMSMDB, 1) || m.differs(msrpc.EMSMDB, at.Port()) || m.differs(msrpc.RFR, 1) {
		t.Error("what a server says is not compared with what is known of it")
	}
	for _, name := range all {
		if i, ok := profiles.ParseInterface(name); !ok || i.UUID == "" {
			t.Errorf("%s: %+v", name, i)
		}
	}
}
