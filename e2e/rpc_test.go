package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"casbah/lab"
	"casbah/node"
	"casbah/profiles"
	"casbah/protocols/msrpc"
	"casbah/protocols/msrpc/rpctest"
)

// rpcRig is casbah in front of servers of RPC over TCP.
type rpcRig struct {
	*rig

	static [3]int // ports of the servers: mapper, mailbox and address book; 0: dynamic
}

// rpcSetup says what it looks like.
type rpcSetup struct {
	mode    mode
	mapper  string   // pass: static ports; rewrite: dynamic ones
	servers []string // addresses of mappers; none: those of a simulated array of three
	probes  string   // more keys of all probes; empty: as shipped
	extra   string   // more tables
}

const rpcHead = `%sstate_dir = %q
[log]
access = %q
[admin]
listen = "127.0.0.1:0"
%s
[[pool]]
name = "rpc"
servers = [%s]
algorithm = "round_robin"
`

const rpcVIPs = `[[vip]]
name = "epm"
type = "tcp"
listen = ["127.0.0.1:0"]
profiles = ["rpc_endpoint_mapper"]
pool = "rpc"
mapper = %q
[[vip]]
name = "mailbox"
type = "tcp"
listen = ["127.0.0.1:%d"]
profiles = ["rpc_client_access"]
pool = "rpc"
[[vip]]
name = "book"
type = "tcp"
listen = ["127.0.0.1:%d"]
profiles = ["rpc_address_book"]
pool = "rpc"
`

// newRPC starts a rig that ends with the test.
func newRPC(t *testing.T, s rpcSetup) *rpcRig {
	t.Helper()
	r := &rpcRig{rig: &rig{t: t, mode: s.mode}}
	o := lab.Options{RPC: true}
	if s.mapper == "pass" {
		for i, at := range freeAddresses(t, 3) {
			r.static[i] = int(netip.MustParseAddrPort(at).Port())
		}
		o.RPCPorts, o.Hosts = r.static, []string{"127.0.0.71", "127.0.0.72", "127.0.0.73"}
		s.extra += fmt.Sprintf("[profile.rpc_endpoint_mapper]\nports = [%d]\n[profile.rpc_client_access]\nports = [%d]\n[profile.rpc_address_book]\nports = [%d]\n",
			r.static[0], r.static[1], r.static[2])
	}
	if s.servers == nil {
		r.array = newArray(t, o)
		for i, c := range r.array.Servers() {
			address := c.MailAddr("rpc_endpoint_mapper", false)
			if s.mapper == "pass" {
				address = o.Hosts[i]
			}
			s.servers = append(s.servers, address)
		}
	}
	for _, p := range []string{"rpc_endpoint_mapper", "rpc_client_access", "rpc_address_book"} {
		probe := s.probes
		if p == "rpc_endpoint_mapper" {
			probe = strings.Replace(probe, `"rpc"`, `"epm"`, 1)
		}
		if probe != "" {
			s.extra += fmt.Sprintf("[profile.%s.probe]\n%s\n", p, probe)
		}
	}
	r.boot(s.servers, fmt.Sprintf(rpcVIPs, s.mapper, r.static[1], r.static[2])+s.extra)
	return r
}

// boot starts casbah in front of servers, with more tables, and waits until every
// service is known.
func (r *rpcRig) boot(servers []string, more string) {
	r.t.Helper()
	dir := r.t.TempDir()
	r.conf = filepath.Join(dir, "casbah.toml")
	var tables, names []string
	for i, address := range servers {
		tables = append(tables, fmt.Sprintf("[[server]]\nname = \"cas%d\"\naddress = %q", i+1, address))
		names = append(names, fmt.Sprintf("\"cas%d\"", i+1))
	}
	r.write(fmt.Sprintf(rpcHead, r.mode.key(), dir, filepath.Join(dir, "access.log"), strings.Join(tables, "\n"), strings.Join(names, ", ")) + more)
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		r.t.Fatal(err)
	}
	n, err := node.New(conf, node.Options{Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.node, r.stop = n, sync.OnceFunc(func() { n.Stop(0) })
	r.t.Cleanup(r.stop)
	r.until("all services are known", func() bool { return !r.anyService(func(st string) bool { return st == "unknown" }) })
}

// dials connects from a source address to a port of casbah's.
func (r *rpcRig) dials(source string, port uint16) *rpctest.Client {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: patience}
	c, err := d.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience)) // it fails on a closed connection, as the next use does
	return rpctest.New(r.t, c)
}

// port returns that of a VIP.
func (r *rpcRig) port(vip string) uint16 { return r.node.Addrs(vip)[0].Port() }

// mapped returns where the endpoint mapper says that an interface is.
func (r *rpcRig) mapped(source string, iface msrpc.Syntax) msrpc.Tower {
	r.t.Helper()
	c := r.dials(source, r.port("epm"))
	c.Bound(msrpc.EPM, 0)
	towers, status := c.Map(iface, 60)
	if status != 0 || len(towers) != 1 {
		r.t.Fatalf("%s is at %+v, status %x; want one tower", iface, towers, status)
	}
	_ = c.Close()
	return towers[0]
}

// serverAt returns who answers for an interface at a port.
func (r *rpcRig) serverAt(source string, port uint16, iface msrpc.Syntax) string {
	r.t.Helper()
	c := r.dials(source, port)
	c.Bound(iface, 0)
	defer c.Close()
	return named(r.t, c)
}

// named returns the server of a connection that is bound.
func named(tb testing.TB, c *rpctest.Client) string {
	tb.Helper()
	out, err := c.Call(0, 0, nil, 0)
	if err != nil {
		tb.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.ToLower(string(out)), ".")
	return name
}

// outlook are the interfaces that a client of Exchange asks for, with the VIP of each.
var outlook = []struct {
	vip   string
	iface msrpc.Syntax
}{{"mailbox", msrpc.EMSMDB}, {"book", msrpc.NSPI}, {"book", msrpc.RFR}}

// S22 S23 S24: mapper, mailbox and address book of a client are on one server, by
// its address, whether the servers' ports are static or casbah's stand for them.
func TestRPCMeetsOnOneServer(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		for _, mapper := range []string{"pass", "rewrite"} {
			r := newRPC(t, rpcSetup{mode: m, mapper: mapper})
			seen := make(map[string]int)
			for i := range 6 {
				source := fmt.Sprintf("127.0.0.%d", 10+i)
				home := ""
				for _, o := range outlook {
					tower := r.mapped(source, o.iface)
					if want := r.port(o.vip); tower.Port != want {
						t.Errorf("%s: %s is at port %d; want %d, of VIP %s", mapper, o.iface, tower.Port, want, o.vip)
					}
					if want := netip.MustParseAddr("127.0.0.1"); mapper == "rewrite" && tower.Addr != want {
						t.Errorf("%s is at %s; want %s, which the client has called", o.iface, tower.Addr, want)
					}
					for range 2 {
						server := r.serverAt(source, tower.Port, o.iface)
						if home == "" {
							home = server
						}
						if server != home {
							t.Errorf("%s: %s of %s is on %s; want %s", mapper, o.iface, source, server, home)
						}
					}
				}
				seen[home]++
			}
			if len(seen) != 3 {
				t.Errorf("%s: the clients are on %v; want all servers", mapper, seen)
			}
			r.mapperIs(mapper, 18)
		}
	})
}

// mapperIs looks at what the status says of the mapper after so many answers.
func (r *rpcRig) mapperIs(mode string, answers uint64) {
	r.t.Helper()
	s := r.vipStatus("epm").Mapper
	if s == nil || s.Mode != mode || r.vipStatus("book").Mapper != nil {
		r.t.Fatalf("mapper %+v; want mode %s", s, mode)
	}
	if mode == "pass" {
		return
	}
	if s.Answers != answers || s.Given != answers || len(s.Gives) != 3 {
		r.t.Errorf("mapper %+v; want %d answers, all given", s, answers)
	}
	for i, g := range s.Gives {
		if want := r.port(g.VIP); g.Port != int(want) || g.Interface != []string{"emsmdb", "nspi", "rfr"}[i] {
			r.t.Errorf("gives %+v; want port %d", g, want)
		}
	}
	for i, c := range r.array.Servers() {
		if got, want := r.learned(i), learnable(c); !slices.Equal(got, want) {
			r.t.Errorf("learned of %s: %v; want %v", c.Name(), got, want)
		}
	}
}

// learned returns the ports that casbah has learned of a server, in order.
func (r *rpcRig) learned(i int) []string {
	var all []string
	for _, l := range r.node.Status().Pools[0].Servers[i].Learned {
		all = append(all, fmt.Sprintf("%s %s %d", l.Profile, l.Interface, l.Port))
	}
	return all
}

// learnable returns what is to be learned of a simulated server.
func learnable(c *lab.CAS) []string {
	mailbox, book := netip.MustParseAddrPort(c.MailAddr("rpc_client_access", false)).Port(), netip.MustParseAddrPort(c.MailAddr("rpc_address_book", false)).Port()
	return []string{
		fmt.Sprintf("rpc_client_access emsmdb %d", mailbox),
		fmt.Sprintf("rpc_address_book nspi %d", book), fmt.Sprintf("rpc_address_book rfr %d", book),
	}
}

// A server that starts anew is at other ports. They are found because a connection
// fails, or because a client hears of them from the server's mapper; the probes of
// this test come too late.
func TestRPCPortsThatChange(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		for _, by := range []string{"failure", "answer"} {
			r := newRPC(t, rpcSetup{mode: m, mapper: "rewrite", probes: "kind = \"none\"\ninterval = \"40s\"\n"})
			home := r.serverAt("127.0.0.2", r.port("mailbox"), msrpc.EMSMDB)
			i := int(home[3] - '1')
			c, before := r.array.CAS(i), r.learned(i)
			c.Stop()
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			want := learnable(c)
			if slices.Equal(before, want) {
				t.Fatalf("%s is at its old ports, %v", home, want)
			}
			if by == "failure" {
				r.serverAt("127.0.0.2", r.port("mailbox"), msrpc.EMSMDB) // any that works
			} else if tower := r.mapped("127.0.0.2", msrpc.EMSMDB); tower.Port != r.port("mailbox") {
				t.Errorf("mapped to port %d", tower.Port)
			}
			begun := time.Now()
			r.until("the new ports are learned", func() bool { return slices.Equal(r.learned(i), want) })
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("learned after %s, as if nothing had brought it forward, by %s: %+v %+v", took, by, r.node.Status().Events, before)
			}
			if by == "answer" && r.serverAt("127.0.0.2", r.port("mailbox"), msrpc.EMSMDB) != home {
				t.Errorf("the client is not on %s any more, which is there again", home)
			}
			if !slices.ContainsFunc(r.node.Status().Events, func(e node.Event) bool {
				return e.Kind == "mapper" && strings.Contains(e.Text, "emsmdb of "+home+" is at port ")
			}) {
				t.Errorf("no event tells of it: %+v", r.node.Status().Events)
			}
		}
	})
}

// A server whose mapper is gone keeps the ports that were learned, and says so.
func TestRPCMapperThatIsGone(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newRPC(t, rpcSetup{mode: m, mapper: "rewrite", probes: "kind = \"rpc\"\ninterval = \"150ms\"\ntimeout = \"100ms\"\n"})
		for _, c := range r.array.Servers() {
			if err := c.Fault("rpc_endpoint_mapper", lab.ResetAfter(0)); err != nil {
				t.Fatal(err)
			}
		}
		r.until("the mappers are down", func() bool { return !r.vipStatus("epm").Up })
		if server := r.serverAt("127.0.0.2", r.port("book"), msrpc.NSPI); !strings.HasPrefix(server, "cas") {
			t.Errorf("served by %q", server)
		}
	})
}

// rpc_association: the connections of one association are on the server that began
// it, however the client's others are balanced.
func TestRPCAssociation(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		r := newRPC(t, rpcSetup{mode: m, mapper: "rewrite", extra: "[profile.rpc_client_access]\nchain = [{ by = \"rpc_association\" }]\n"})
		at := r.port("mailbox")
		seen := make(map[string]bool)
		for range 3 {
			first := r.dials("127.0.0.2", at)
			id := first.Bound(msrpc.EMSMDB, 0)
			home := named(t, first)
			seen[home] = true
			for i := range 4 {
				c := r.dials("127.0.0.2", at)
				bind := c.BindPDU(msrpc.TypeBind, msrpc.EMSMDB, id)
				for _, piece := range slices.Collect(slices.Chunk(bind[:24], 24-7*i)) { // no server hears of it before it is known
					if _, err := c.Write(piece); err != nil {
						t.Fatal(err)
					}
				}
				ack, err := msrpc.ParseBindAck(c.Ask(bind[24:]))
				if err != nil || ack.Association != id || named(t, c) != home {
					t.Errorf("a connection of association %d of %s: %+v, %v", id, home, ack, err)
				}
			}
		}
		if len(seen) != 3 {
			t.Errorf("associations are on %v; want all servers", seen)
		}
		for _, c := range r.array.Servers() {
			if n := c.Counts().Splits; n != 0 {
				t.Errorf("%s was asked %d times for an association of another server", c.Name(), n)
			}
		}
		stranger := r.dials("127.0.0.2", at)
		if _, err := stranger.Write([]byte("EHLO mail.example.org\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := stranger.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger is answered; the server has closed the connection")
		}
	})
}

// mapperStub is an endpoint mapper that acknowledges a bind to casbah and to
// clients, and answers the first call by f.
func mapperStub(t *testing.T, f func(c net.Conn, call uint32)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() { ln.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience)) // as above
			work.Go(func() { stubbed(c, f) })
		}
	})
	return ln.Addr().String()
}

func stubbed(c net.Conn, f func(c net.Conn, call uint32)) {
	defer c.Close()
	reader := msrpc.Reader{Whole: msrpc.Of(msrpc.TypeBind, msrpc.TypeRequest)}
	in := make([]byte, 4096)
	for {
		n, err := c.Read(in)
		for p := in[:n]; err == nil && len(p) > 0; {
			var piece msrpc.Piece
			var used int
			piece, used, err = reader.Next(p)
			p = p[used:]
			switch {
			case !piece.Whole:
			case piece.Header.Type == msrpc.TypeRequest && piece.Header.Flags&msrpc.Last != 0:
				f(c, piece.Header.Call)
				return
			case piece.Header.Type == msrpc.TypeBind:
				ack := msrpc.BindAck{Header: rpctest.Header(msrpc.TypeBindAck, piece.Header.Call), Association: 1}
				ack.Results = []msrpc.Result{{Transfer: msrpc.NDR}, {Outcome: msrpc.ProviderRejected}, {Outcome: msrpc.NegotiateAck}}
				_, err = c.Write(ack.AppendTo(nil))
			}
		}
		if err != nil {
			return
		}
	}
}

// asksStub has a client ask a mapper, behind a casbah that rewrites, and returns
// what it is answered.
func asksStub(r *rpcRig) []byte {
	r.t.Helper()
	c := r.dials("127.0.0.2", r.port("epm"))
	c.Bound(msrpc.EPM, 0)
	tower := msrpc.Tower{Interface: msrpc.NSPI, Transfer: msrpc.NDR, Protocol: msrpc.TCP}
	q := msrpc.MapRequest{Tower: tower.AppendTo(nil), Max: 4}
	ask := msrpc.Request{Header: rpctest.Header(msrpc.TypeRequest, 2), Op: msrpc.OpMap, Stub: q.AppendTo(nil, msrpc.Encoding{})}
	if _, err := c.Write(ask.AppendTo(nil, 0)); err != nil {
		r.t.Fatal(err)
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(c.Conn); err != nil {
		r.t.Fatal(err)
	}
	return all.Bytes()
}

// What is signed, and what is no answer, passes as it came, and is counted by cause.
func TestMapperAnswersThatAreLeft(t *testing.T) {
	t.Parallel()
	tower := msrpc.Tower{Interface: msrpc.NSPI, Transfer: msrpc.NDR, Protocol: msrpc.TCP, Port: 49200}
	stub := (&msrpc.MapResponse{Max: 4, Towers: [][]byte{tower.AppendTo(nil)}}).AppendTo(nil, msrpc.Encoding{})
	unknown := (&msrpc.MapResponse{Max: 4, Status: msrpc.NotRegistered}).AppendTo(nil, msrpc.Encoding{})
	foreign := msrpc.Tower{Interface: msrpc.Syntax{Major: 3}, Transfer: msrpc.NDR, Protocol: msrpc.TCP, Port: 49200}
	other := (&msrpc.MapResponse{Max: 4, Towers: [][]byte{foreign.AppendTo(nil)}}).AppendTo(nil, msrpc.Encoding{})
	answer := func(stub []byte, a msrpc.Auth) func(call uint32) []byte {
		return func(call uint32) []byte {
			return (&msrpc.Response{Header: rpctest.Header(msrpc.TypeResponse, call), Stub: stub, Auth: a}).AppendTo(nil, 0)
		}
	}
	for _, tt := range []struct {
		cause  string
		answer func(call uint32) []byte
	}{
		{"protected", answer(stub, msrpc.Auth{Type: 10, Level: msrpc.LevelIntegrity, Value: make([]byte, 16)})},
		{"unread", answer(stub[:40], msrpc.Auth{})},
		{"unknown", answer(unknown, msrpc.Auth{})},
		{"other", answer(other, msrpc.Auth{})},
		{"not_rpc", func(uint32) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }},
	} {
		t.Run(tt.cause, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				at := mapperStub(t, func(c net.Conn, call uint32) { _, _ = c.Write(tt.answer(call)) }) // who left needs no answer
				r := newRPC(t, rpcSetup{mode: m, mapper: "rewrite", servers: []string{at}, probes: "kind = \"none\"\n"})
				if got, want := asksStub(r), tt.answer(2); !bytes.Equal(got, want) {
					t.Errorf("the client reads\n%x; want\n%x", got, want)
				}
				s := r.vipStatus("epm").Mapper
				for cause, n := range s.Left {
					if want := map[bool]uint64{true: 1}[cause == tt.cause]; n != want || s.Given != 0 {
						t.Errorf("left by %s: %d; want %d (%+v)", cause, n, want, s)
					}
				}
			})
		})
	}
}

// mostGrown is what the heap may grow by while much more passes, in octets: what
// connections have in their hands, and what the test leaves behind.
const mostGrown = 16 << 20

// Servers whose answer has no end, and clients whose question has none, are passed
// on to the end in constant memory.
func TestMapperHoldsLittle(t *testing.T) {
	const size = 32 << 20
	part := func(t msrpc.Type, call uint32, flags msrpc.Flags) []byte {
		h := rpctest.Header(t, call)
		var pdu []byte
		if t == msrpc.TypeRequest {
			pdu = (&msrpc.Request{Header: h, Op: msrpc.OpMap, Stub: make([]byte, 1000)}).AppendTo(nil, 0)
		} else {
			pdu = (&msrpc.Response{Header: h, Stub: make([]byte, 1000)}).AppendTo(nil, 0)
		}
		pdu[3] = byte(flags)
		return pdu
	}
	for _, tt := range []struct {
		name        string
		first, more []byte // of the server
	}{
		{"fragments-without-end", part(msrpc.TypeResponse, 2, msrpc.First), part(msrpc.TypeResponse, 2, 0)},
		{"first-fragments", part(msrpc.TypeResponse, 2, msrpc.First), part(msrpc.TypeResponse, 2, msrpc.First)},
		{"whole-answers", nil, part(msrpc.TypeResponse, 2, msrpc.First|msrpc.Last)},
		{"questions", nil, part(msrpc.TypeRequest, 2, msrpc.First)},
		{"longest-pdus", nil, append([]byte("\x05\x00\x02\x01\x10\x00\x00\x00\xff\xff\x00\x00\x02\x00\x00\x00"), make([]byte, 65535-16)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, engine := range drivers { // one after the other: memory is measured
				at := mapperStub(t, func(c net.Conn, _ uint32) {
					_, err := c.Write(tt.first)
					for n := 0; n < size && err == nil; n += len(tt.more) {
						_, err = c.Write(tt.more)
					}
				})
				r := newRPC(t, rpcSetup{mode: mode{engine: engine}, mapper: "rewrite", servers: []string{at}, probes: "kind = \"none\"\n"})
				passed, most := r.drainStub()
				if passed < size {
					t.Errorf("%s: %d octets came over; want %d at least", engine, passed, size)
				}
				if most > mostGrown {
					t.Errorf("%s: the heap grew by %d octets", engine, most)
				}
			}
		})
	}
}

// So are clients whose question has no end.
func TestMapperHoldsLittleOfClients(t *testing.T) {
	const size = 24 << 20
	question := (&msrpc.Request{Header: rpctest.Header(msrpc.TypeRequest, 2), Op: msrpc.OpMap, Stub: make([]byte, 4000)}).AppendTo(nil, 0)
	for _, flags := range []msrpc.Flags{msrpc.First, 0} {
		question[3] = byte(flags)
		for _, engine := range drivers {
			at := mapperStub(t, func(net.Conn, uint32) {})
			r := newRPC(t, rpcSetup{mode: mode{engine: engine}, mapper: "rewrite", servers: []string{at}, probes: "kind = \"none\"\n"})
			c := r.dials("127.0.0.2", r.port("epm"))
			c.Bound(msrpc.EPM, 0)
			g := newGauge()
			for passed := 0; passed < size; passed += len(question) {
				if _, err := c.Write(question); err != nil {
					t.Errorf("%s: after %d octets: %v", engine, passed, err)
					break
				}
			}
			if n := g.grown(); n > mostGrown {
				t.Errorf("%s: the heap grew by %d octets", engine, n)
			}
			if s := r.vipStatus("epm").Mapper; s.Answers != 0 {
				t.Errorf("mapper %+v", s)
			}
		}
	}
}

// drainStub has a client ask, reads what it is answered, and returns how much that
// is, and by how much the heap has grown at most.
func (r *rpcRig) drainStub() (passed int64, grown int64) {
	r.t.Helper()
	c := r.dials("127.0.0.2", r.port("epm"))
	c.Bound(msrpc.EPM, 0)
	g := newGauge()
	ask := msrpc.Request{Header: rpctest.Header(msrpc.TypeRequest, 2), Op: msrpc.OpMap, Stub: make([]byte, 10)}
	_, err := c.Write(ask.AppendTo(nil, 0))
	if err == nil {
		passed, err = io.Copy(io.Discard, c.Conn)
	}
	if err != nil {
		r.t.Error(err)
	}
	return passed, g.grown()
}
