package e2e

import (
	"fmt"
	"testing"

	"casbah/lab"
	"casbah/node"
	"casbah/protocols/rpchttp"
)

// channelsOn returns how many requests of Outlook Anywhere are open at a server.
func (r *rig) channelsOn(server string) int {
	for _, v := range r.services(server) {
		if v.Profile == "outlook_anywhere" {
			return int(v.Active)
		}
	}
	r.t.Fatalf("%s has no outlook_anywhere", server)
	return 0
}

// recycleOut replaces the OUT channel of an open connection.
func (o *circuit) recycleOut() error {
	next, err := o.open("RPC_OUT_DATA", 120, rpchttp.AppendOutR1A3(nil, o.virtual, newCookie(), newCookie()))
	if err == nil {
		err = begins(next)
	}
	if err != nil {
		return fmt.Errorf("the new OUT: %w", err)
	}
	if _, err := next.Write(rpchttp.AppendOutR1A11(nil)); err != nil {
		return fmt.Errorf("the new OUT: %w", err)
	}
	for err == nil { // the channel before ends
		_, err = lab.ReadPDU(o.out.in)
	}
	if timedOut(err) {
		return fmt.Errorf("the OUT before: %w; want its end", err)
	}
	_ = o.out.Close()
	o.out = next
	return nil
}

// recycleIn replaces the IN channel of an open connection.
func (o *circuit) recycleIn() error {
	next, err := o.open("RPC_IN_DATA", 1<<30, rpchttp.AppendInR1A1(nil, o.virtual, newCookie(), newCookie()))
	if err != nil {
		return fmt.Errorf("the new IN: %w", err)
	}
	before := o.in
	o.in = next
	err = o.call("on the new channel") // it stands
	_ = before.Close()
	return err
}

// S27: while a server drains, connections that begin (CONN/A1, CONN/B1) go
// elsewhere, and those that are open are not cut. Their channels that are replaced
// (OUT_R1/A3, IN_R1/A1) stay with the connection, or, if the drain is firm, move to
// another server, one after the other, while it works on: no split.
func TestRecycledChannelsOnDrain(t *testing.T) {
	for _, firm := range []bool{false, true} {
		t.Run(map[bool]string{false: "soft", true: "firm"}[firm], func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newRig(t, setup{
					mode: m, lab: lab.Options{AnonymousRPC: true, Servers: 2},
					extra: "[profile.outlook_anywhere]\nchain = [{ by = \"rpc_connection\" }]\n",
				})
				r.drains(t, firm)
			})
		})
	}
}

func (r *rig) drains(t *testing.T, firm bool) {
	t.Helper()
	stays, err := newCircuit(r, "1.1", "")
	defer stays.hangUp()
	if err != nil {
		t.Fatal(err)
	}
	home, other := "cas1", "cas2"
	if r.channelsOn(home) == 0 {
		home, other = other, home
	}
	on := func(when string, atHome, elsewhere int) {
		t.Helper()
		r.until(when, func() bool { return r.channelsOn(home) == atHome && r.channelsOn(other) == elsewhere })
		if err := stays.call(when); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	on("both channels are at home", 2, 0)
	r.orders(node.Command{State: "drain", Server: home, Firm: firm})
	begun, err := newCircuit(r, "1.1", "")
	defer begun.hangUp()
	if err != nil {
		t.Fatal(err)
	}
	on("a new connection is elsewhere, and the old one is not cut", 2, 2)
	if err := stays.recycleOut(); err != nil {
		t.Fatal(err)
	}
	moved := 0
	if firm {
		moved = 1
	}
	on("OUT is replaced", 2-moved, 2+moved)
	if err := stays.recycleIn(); err != nil {
		t.Fatal(err)
	}
	on("IN is replaced", 2-2*moved, 2+2*moved)
	if err := begun.call("the new connection works"); err != nil {
		t.Error(err)
	}
	if splits, n := r.splits(); len(splits) > 0 || n != 2 {
		t.Errorf("%v splits of %d connections; want 0 of 2", splits, n)
	}
}
