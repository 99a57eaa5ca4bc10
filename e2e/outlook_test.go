package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"casbah/protocols/rpchttp"
)

// twoChannels are a virtual connection whose server is the test, so that nobody but
// casbah ends anything by itself.
type twoChannels struct {
	r                   *rig
	s                   *stub
	virtual             rpchttp.Cookie
	out, in             *wire // the client's ends
	outServer, inServer *wire
}

// newTwoChannels opens both channels from two addresses.
func newTwoChannels(t *testing.T, m mode) *twoChannels {
	t.Helper()
	r, s := newStubRig(t, m, "outlook_anywhere")
	o := &twoChannels{r: r, s: s, virtual: newCookie()}
	o.out, o.outServer = o.open(t, "127.0.0.2", "RPC_OUT_DATA", 76, rpchttp.AppendConnA1(nil, o.virtual, newCookie()))
	o.answers(o.outServer, o.out)
	o.in, o.inServer = o.open(t, "127.0.0.3", "RPC_IN_DATA", 1<<30, rpchttp.AppendConnB1(nil, o.virtual, newCookie(), newCookie()))
	return o
}

// open opens a channel whose body begins with body.
func (o *twoChannels) open(t *testing.T, source, method string, octets int, body []byte) (c, server *wire) {
	t.Helper()
	c = o.r.wire(t, source)
	c.sayf(channelHead+"%s", method, "1.1", fmt.Sprintf(length, octets), body)
	server = o.s.accept()
	server.want(method)
	server.head()
	server.want(string(body))
	return c, server
}

// answers has the server begin its response on an OUT channel.
func (o *twoChannels) answers(server, c *wire) {
	server.t.Helper()
	const success = "HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"
	server.say(success)
	c.want(success)
}

// When one channel of a connection is gone, casbah ends the other one, though the
// server does nothing about it: the client and the server both hear of it.
func TestHalfOpenChannelIsEnded(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, m mode) {
		for _, dies := range []string{"in", "out", "in-server", "out-server"} {
			t.Run(dies, func(t *testing.T) {
				t.Parallel()
				o := newTwoChannels(t, m)
				dead, left, leftServer := o.in, o.out, o.outServer
				switch dies {
				case "out":
					dead, left, leftServer = o.out, o.in, o.inServer
				case "in-server":
					dead = o.inServer
				case "out-server":
					dead, left, leftServer = o.outServer, o.in, o.inServer
				}
				_ = dead.Close()
				left.ends()
				leftServer.ends()
				o.r.until("the end is counted", func() bool {
					return o.r.vipStatus(m.vip).Ends["partner"] == 1 && o.r.active("outlook_anywhere") == 0
				})
			})
		}
	})
}

// A server that does not read what comes in on IN does not hold up OUT: a ping of
// 20 octets leaves at once, beside all that is stuck, on this connection and on
// another one.
func TestOutIsNotHeldUpByIn(t *testing.T) {
	ping := string(rpchttp.AppendPing(nil))
	modesInTurn(t, func(t *testing.T, m mode) {
		o := newTwoChannels(t, m)
		stuck := &stopwatch{Conn: o.in.Conn, stopped: make(chan int64, 1)}
		sent := make(chan error, 1)
		go func() { sent <- pour(stuck, stuffed) }()
		select {
		case <-stuck.stopped:
		case err := <-sent:
			t.Fatalf("all %d octets left without anybody reading: %v", stuffed, err)
		}
		for range 20 {
			o.outServer.say(ping)
			o.out.want(ping)
		}
		o.virtual = newCookie()
		c, server := o.open(t, "127.0.0.4", "RPC_IN_DATA", 1<<30, rpchttp.AppendConnB1(nil, o.virtual, newCookie(), newCookie()))
		for range 20 {
			c.say(ping)
			server.want(ping)
		}
		_ = o.in.Close()
		<-sent
	})
}

// The request of a successor of OUT comes in two parts, of 96 octets and, once the
// response has begun, of 24: each reaches the server at once, by length, in chunks,
// and of a client of HTTP/1.0. The request of the channel before is long complete.
func TestSuccessorComesInTwoParts(t *testing.T) {
	first := string(rpchttp.AppendOutR1A3(nil, newCookie(), newCookie(), newCookie()))
	second := string(rpchttp.AppendOutR1A11(nil))
	if len(first) != 96 || len(second) != 24 {
		t.Fatalf("parts of %d and %d octets; want 96 and 24", len(first), len(second))
	}
	const success = "HTTP/1.1 200 Success\r\nContent-Length: 1073741824\r\n\r\n"
	chunk := func(p string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(p), p) }
	modes(t, func(t *testing.T, m mode) {
		for _, tt := range []struct{ name, version, framing, first, second string }{
			{"length", "1.1", fmt.Sprintf(length, 120), first, second},
			{"chunked", "1.1", "Transfer-Encoding: chunked\r\n", chunk(first), chunk(second)},
			{"http-1.0", "1.0", fmt.Sprintf(length, 120) + "Connection: Keep-Alive\r\n", first, second},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, s := newStubRig(t, m, "outlook_anywhere")
				c := r.wire(t, "127.0.0.2")
				c.sayf(channelHead+"%s", "RPC_OUT_DATA", tt.version, tt.framing, tt.first)
				server := s.accept()
				server.want("RPC_OUT_DATA /rpc/rpcproxy.dll?mbx.lab.test:6001 HTTP/" + tt.version + "\r\n")
				server.head()
				server.want(tt.first)
				server.say(success + "early")
				c.want("HTTP/1.1 200 Success\r\n")
				c.head()
				c.want("early")
				c.say(tt.second)
				server.want(tt.second)
				server.say("late")
				c.want("late")
			})
		}
	})
}

// officeAddress is where all users of an office seem to come from.
const officeAddress = "127.0.0.77"

// ntlmChannel opens a channel of a user who logs on as Outlook does: by a request
// without a body, and then by the one that is the channel. Its body begins with body.
func (r *rig) ntlmChannel(method, login string, octets int, body []byte) (*wire, error) {
	user, password, _ := strings.Cut(login, ":")
	conn, err := r.connect(officeAddress)
	if err != nil {
		return nil, err
	}
	w := newWire(nil, conn)
	w.within(patience)
	auth, err := ntlmType1("NTLM")
	if err != nil {
		return w, err
	}
	_, err = fmt.Fprintf(w, channelHead, method, "1.1", fmt.Sprintf(length, 0)+"Authorization: "+auth+"\r\n")
	if err != nil {
		return w, err
	}
	resp, _, err := w.answer(method)
	if err != nil {
		return w, err
	}
	if auth, err = ntlmType3("NTLM", resp, user, password); err != nil {
		return w, err
	}
	_, err = fmt.Fprintf(w, channelHead+"%s", method, "1.1", fmt.Sprintf(length, octets)+"Authorization: "+auth+"\r\n", body)
	return w, err
}

// newUserCircuit opens both channels of a new connection of a user.
func newUserCircuit(r *rig, login string) (o *circuit, err error) {
	user, _, _ := strings.Cut(login, ":")
	o = &circuit{r: r, virtual: newCookie(), version: "1.1"}
	if o.out, err = r.ntlmChannel("RPC_OUT_DATA", login, 76, rpchttp.AppendConnA1(nil, o.virtual, newCookie())); err != nil {
		return o, fmt.Errorf("OUT: %w", err)
	}
	resp, err := http.ReadResponse(o.out.in, nil) //nolint:bodyclose // its body is the channel
	if err != nil {
		return o, fmt.Errorf("OUT: %w", err)
	}
	if got := resp.Header.Get("X-Lab-User"); resp.StatusCode != http.StatusOK || got != user {
		return o, fmt.Errorf("OUT of %s: status %d for %q", user, resp.StatusCode, got)
	}
	if o.in, err = r.ntlmChannel("RPC_IN_DATA", login, 1<<30, rpchttp.AppendConnB1(nil, o.virtual, newCookie(), newCookie())); err != nil {
		return o, fmt.Errorf("IN: %w", err)
	}
	if err := o.wantPDU(rpchttp.AppendConnA3(nil)); err != nil {
		return o, err
	}
	return o, o.wantPDU(rpchttp.AppendConnC2(nil))
}

// Three users' Outlook behind one address, at once, by NTLM: each connection is
// whole, and each of its channels the user's.
func TestUsersOfOutlookBehindOneAddress(t *testing.T) {
	const each = 20
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		var group sync.WaitGroup
		for _, login := range []string{"alice:Secret1", "bob:Secret2", "carol:Secret3"} {
			for range 4 {
				group.Go(func() {
					for range each / 4 {
						o, err := newUserCircuit(r, login)
						if err == nil {
							err = o.call("mail of " + login)
						}
						o.hangUp()
						if err != nil {
							t.Errorf("%s: %v", login, err)
						}
					}
				})
			}
		}
		group.Wait()
		logons, splits := uint64(0), uint64(0)
		for _, cas := range r.array.Servers() {
			logons += cas.Counts().Logons
			splits += cas.Counts().Splits
		}
		if n := r.array.Leaks(); n != 0 || splits != 0 || logons != 2*3*each {
			t.Errorf("%d channels of foreign users, %d splits, %d logons; want 0, 0, %d", n, splits, logons, 2*3*each)
		}
	})
}
