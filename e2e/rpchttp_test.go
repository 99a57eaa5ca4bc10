package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"casbah/lab"
	"casbah/protocols/rpchttp"
)

// byConnection is a chain by which the two channels of a connection meet.
const byConnection = "[profile.outlook_anywhere]\nchain = [{ by = \"rpc_connection\" }, { by = \"source_ip\" }]\n"

// channelHead begins a channel: method, version, more lines, and how the body ends.
const channelHead = "%s /rpc/rpcproxy.dll?mbx.lab.test:6001 HTTP/%s\r\nHost: mail.lab.test\r\nUser-Agent: MSRPC\r\n%s\r\n"

const length = "Content-Length: %d\r\n"

func newCookie() (c rpchttp.Cookie) {
	_, _ = rand.Read(c[:])
	return c
}

// circuit is one virtual connection of a client whose two channels come from two
// addresses.
type circuit struct {
	r       *rig
	virtual rpchttp.Cookie
	version string
	auth    string // the line, or nothing
	out, in *wire
}

// newCircuit opens both channels of a new connection at the same time, and waits
// until the server says that it has both.
func newCircuit(r *rig, version, auth string) (*circuit, error) {
	o := &circuit{r: r, virtual: newCookie(), version: version, auth: auth}
	fail := make(chan error, 1)
	go func() { fail <- o.openIn() }()
	errs := [...]error{o.openOut(), <-fail}
	for _, err := range errs {
		if err != nil {
			return o, err
		}
	}
	return o, o.wantPDU(rpchttp.AppendConnC2(nil))
}

// open opens one channel from any of 250 addresses.
func (o *circuit) open(method string, octets int, body []byte) (*wire, error) {
	var at [1]byte
	_, _ = rand.Read(at[:])
	conn, err := o.r.connect(fmt.Sprintf("127.0.0.%d", 2+int(at[0])%250))
	if err != nil {
		return nil, err
	}
	w := newWire(nil, conn)
	w.within(patience)
	head := fmt.Sprintf(channelHead, method, o.version, fmt.Sprintf(length, octets)+o.auth)
	_, err = w.Write(append([]byte(head), body...))
	return w, err
}

func (o *circuit) openIn() (err error) {
	o.in, err = o.open("RPC_IN_DATA", 1<<30, rpchttp.AppendConnB1(nil, o.virtual, newCookie(), newCookie()))
	return err
}

func (o *circuit) openOut() (err error) {
	if o.out, err = o.open("RPC_OUT_DATA", 76, rpchttp.AppendConnA1(nil, o.virtual, newCookie())); err != nil {
		return err
	}
	if err := begins(o.out); err != nil {
		return err
	}
	return o.wantPDU(rpchttp.AppendConnA3(nil))
}

// begins reads the head of the response on an OUT channel.
func begins(w *wire) error {
	line, err := w.in.ReadString('\n')
	if err != nil || !strings.HasSuffix(line, " 200 Success\r\n") {
		return fmt.Errorf("OUT: %q, %w; want 200 Success", line, err)
	}
	for line != "\r\n" {
		if line, err = w.in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

// wantPDU reads the next PDU on the OUT channel that is no ping.
func (o *circuit) wantPDU(want []byte) error {
	for {
		p, err := lab.ReadPDU(o.out.in)
		if err != nil {
			return fmt.Errorf("OUT: %w", err)
		}
		if bytes.Equal(p, rpchttp.AppendPing(nil)) {
			continue
		}
		if !bytes.Equal(p, want) {
			return fmt.Errorf("PDU % x; want % x", p, want)
		}
		return nil
	}
}

// call sends a request PDU with that body, which the lab sends back.
func (o *circuit) call(body string) error {
	p := requestPDU(body)
	if _, err := o.in.Write(p); err != nil {
		return err
	}
	return o.wantPDU(p)
}

// requestPDU is a request of RPC with that body.
func requestPDU(body string) []byte {
	p := []byte{5, 0, 0, 3, 0x10, 0, 0, 0}
	p = binary.LittleEndian.AppendUint16(p, uint16(16+len(body)))
	return append(append(p, make([]byte, 6)...), body...)
}

func (o *circuit) hangUp() {
	for _, w := range []*wire{o.in, o.out} {
		if w != nil {
			_ = w.Close()
		}
	}
}

// splits are those that casbah has counted, by cause, and the connections.
func (r *rig) splits() (splits map[string]uint64, connections uint64) {
	r.t.Helper()
	splits = make(map[string]uint64)
	for _, name := range []string{"plain", "tls"} {
		v := r.vipStatus(name)
		connections += v.RPC.Connections
		for cause, n := range v.RPC.Splits {
			if n > 0 {
				splits[cause] += n
			}
		}
	}
	return splits, connections
}

// circuits is how many virtual connections are opened in each mode.
func circuits() int {
	if os.Getenv("CASBAH_LONG") != "" {
		return 10_000
	}
	return 200
}

// Whatever the addresses of its two channels, and though both come at the same
// moment, a virtual connection is whole: on one server, with what it carries.
//
// CASBAH_LONG=1 makes it 10,000 connections in each mode.
func TestVirtualConnectionsAreWhole(t *testing.T) {
	t.Parallel()
	const workers = 16
	modesInTurn(t, func(t *testing.T, m mode) {
		for _, login := range []struct{ name, auth string }{
			{"none", ""},
			{"basic", "Authorization: " + basicAuth("alice", "Secret1") + "\r\n"},
		} {
			t.Run(login.name, func(t *testing.T) {
				r := newRig(t, setup{
					mode: m, pool: `algorithm = "round_robin"`, extra: byConnection + unprobed("outlook_anywhere"), // no server is lost meanwhile
					lab: lab.Options{AnonymousRPC: login.auth == ""},
				})
				total := circuits() / 2
				var next atomic.Int64
				var group sync.WaitGroup
				for range workers {
					group.Go(func() {
						for next.Add(1) <= int64(total) {
							o, err := newCircuit(r, "1.1", login.auth)
							if err == nil {
								err = o.call(strings.Repeat("x", 3000))
							}
							o.hangUp()
							if err != nil {
								t.Errorf("a virtual connection: %v", err)
								return
							}
						}
					})
				}
				group.Wait()
				if splits, n := r.splits(); len(splits) > 0 || n != uint64(total) {
					t.Errorf("%v splits of %d connections; want 0 of %d", splits, n, total)
				}
				for _, cas := range r.array.Servers() {
					if n := cas.Counts().Splits; n != 0 {
						t.Errorf("%s met %d channels whose other half is elsewhere", cas.Name(), n)
					}
				}
			})
		}
	})
}

// Without a step that leads them together, channels from two addresses are split:
// counted by cause, told once as an event, and shown. The test above proves nothing
// if this does not happen.
func TestSplitIsToldOnce(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{
			mode: m, pool: `algorithm = "round_robin"`, lab: lab.Options{AnonymousRPC: true, Servers: 2},
			extra: "[profile.outlook_anywhere]\nchain = [{ by = \"source_ip\" }]\n",
		})
		for i := range 3 {
			virtual := newCookie()
			out, in := r.wire(t, fmt.Sprintf("127.0.1.%d", 2*i+1)), r.wire(t, fmt.Sprintf("127.0.1.%d", 2*i+2))
			out.sayf(channelHead+"%s", "RPC_OUT_DATA", "1.1", fmt.Sprintf(length, 76), rpchttp.AppendConnA1(nil, virtual, newCookie()))
			out.want("HTTP/1.1 200 Success\r\n")
			in.sayf(channelHead+"%s", "RPC_IN_DATA", "1.1", fmt.Sprintf(length, 1<<30), rpchttp.AppendConnB1(nil, virtual, newCookie(), newCookie()))
			r.until("the split is counted", func() bool { splits, _ := r.splits(); return splits["addresses"] == uint64(i+1) })
		}
		told := 0
		r.until("the split is told", func() bool {
			told = 0
			for _, e := range r.node.Status().Events {
				if e.Kind == "rpc" && strings.Contains(e.Text, "they came from two addresses") && strings.Contains(e.Text, "from 127.0.1.1, fresh") {
					told++
				}
			}
			return told > 0
		})
		if told != 1 {
			t.Errorf("%d events; want one", told)
		}
	})
}

// A client that waits to be told to go on, as impacket does, is told by casbah,
// since the server depends on the body. The server hears nothing of it.
func TestChannelThatExpects(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, extra: byConnection, lab: lab.Options{AnonymousRPC: true}})
		w := r.wire(t, "127.0.0.2")
		w.sayf(channelHead, "RPC_OUT_DATA", "1.1", fmt.Sprintf(length, 76)+"Expect: 100-continue\r\n")
		w.want("HTTP/1.1 100 Continue\r\n\r\n")
		w.say(string(rpchttp.AppendConnA1(nil, newCookie(), newCookie())))
		w.want("HTTP/1.1 200 Success\r\n")
	})
}

// Clients of HTTP/1.0 have whole connections as well.
func TestVirtualConnectionOfHTTP10(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, extra: byConnection, lab: lab.Options{AnonymousRPC: true}})
		for range 5 {
			o, err := newCircuit(r, "1.0", "")
			defer o.hangUp()
			if err == nil {
				err = o.call("hello")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An OUT channel is replaced while its connection lives: the new request comes
// from a third address, and of its 120 octets 24 only once the new channel stands.
func TestOutChannelIsReplaced(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, extra: byConnection, lab: lab.Options{AnonymousRPC: true}})
		o, err := newCircuit(r, "1.1", "")
		defer o.hangUp()
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if err := o.recycleOut(); err != nil {
				t.Fatal(err)
			}
			if err := o.call("on the new channel"); err != nil {
				t.Fatal(err)
			}
		}
		if splits, n := r.splits(); len(splits) > 0 || n != 1 {
			t.Errorf("%v splits of %d connections; want 0 of 1", splits, n)
		}
	})
}

// When one channel of a connection is gone, the other one ends.
func TestHalfOpenConnectionEnds(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, extra: byConnection, lab: lab.Options{AnonymousRPC: true}})
		for _, dies := range []string{"in", "out"} {
			o, err := newCircuit(r, "1.1", "")
			if err != nil {
				t.Fatal(err)
			}
			left := o.out
			if dies == "out" {
				_ = o.out.Close()
				left = o.in
			} else {
				_ = o.in.Close()
			}
			for err == nil {
				_, err = lab.ReadPDU(left.in)
			}
			if timedOut(err) {
				t.Errorf("without its %s channel the other one stays open", dies)
			}
			o.hangUp()
		}
		for _, cas := range r.array.Servers() {
			r.until("no channel is left", func() bool { return cas.Counts().Open == 0 })
		}
	})
}

// Each PDU of 20 octets passes on by itself, both ways and in any framing: nobody
// waits for more behind it.
func TestPingsPassAtOnce(t *testing.T) {
	ping := string(rpchttp.AppendPing(nil))
	modes(t, func(t *testing.T, m mode) {
		for _, tt := range []struct{ name, framing, piece string }{
			{"length", fmt.Sprintf(length, 1<<30), ping},
			{"chunked", "Transfer-Encoding: chunked\r\n", "14\r\n" + ping + "\r\n"},
		} {
			r, s := newStubRig(t, m, "outlook_anywhere")
			c := r.wire(t, "127.0.0.2")
			c.sayf(channelHead, "RPC_IN_DATA", "1.1", tt.framing)
			server := s.accept()
			server.head()
			server.sayf("HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\n%s\r\n", tt.framing)
			c.head()
			for range 50 {
				c.say(tt.piece)
				server.want(tt.piece)
				server.say(tt.piece)
				c.want(tt.piece)
			}
		}
	})
}
