package persistence

import (
	"testing"
	"time"
)

// rpcSteps is a chain of an RPC profile.
var rpcSteps = []Step{{By: RPCAssociation}, {By: SourceIP}}

// associated opens an RPC connection from source: asks is the association that
// its bind joins, gets the one that its bind_ack names.
func (s *site) associated(source string, asks, gets uint32) (w Walk) {
	s.t.Helper()
	r := callFrom(source, "")
	r.Association = asks
	w, _ = s.relays(r)
	r.Association = gets
	s.chain.Associate(s.now, &w, r)
	return w
}

// The connections of an association are on the server that began it, also where
// the client's address alone is bound elsewhere.
func TestAssociationKeepsItsServer(t *testing.T) {
	s := newSite(t, rpcSteps)
	s.associated("192.0.2.7", 0, 17)
	s.choose = cas2
	w := s.associated("192.0.2.7", 17, 17)
	if w.Server != cas1 || s.chain.StepName(w.By) != "rpc_association" {
		t.Errorf("the second connection: server %d by %s; want 1 by rpc_association", w.Server, s.chain.StepName(w.By))
	}
	s.expectAssociation("number of another client", "192.0.2.8", 17, false)
	s.expectAssociation("another number", "192.0.2.8", 18, false)

	strangers := newSite(t, []Step{{By: RPCAssociation}})
	strangers.associated("192.0.2.7", 0, 17)
	strangers.choose = cas2
	strangers.expectAssociation("network of IPv4", "192.0.2.6", 17, false)
	strangers.expectAssociation("not begun", "192.0.2.7", 18, false)
	strangers.expectAssociation("begun", "192.0.2.7", 17, true)
}

// expectAssociation fails the test unless a bind that joins id is on the server
// of the first connection, or is not.
func (s *site) expectAssociation(what, source string, id uint32, same bool) {
	s.t.Helper()
	r := callFrom(source, "")
	r.Association = id
	var w Walk
	s.chain.Walk(s.now, r, s, &w)
	if got := w.Server == cas1; got != same {
		s.t.Errorf("%s: on the server of the association: %v; want %v", what, got, same)
	}
}

// What a bind_ack says is confirmed; what a bind claims is not bound: the server
// that refuses it would be asked again.
func TestAssociationIsConfirmedByBindAck(t *testing.T) {
	s := newSite(t, []Step{{By: RPCAssociation}})
	r := callFrom("192.0.2.7", "")
	r.Association = 17
	s.relays(r)
	s.expectAssociation("claimed just now", "192.0.2.7", 17, false)
	s.associated("192.0.2.8", 0, 17)
	s.pass(2 * time.Minute)
	s.expectAssociation("claimed", "192.0.2.7", 17, false)
	s.expectAssociation("acknowledged", "192.0.2.8", 17, true)
}

// An open connection keeps its association, whose timeout is idle time.
func TestOpenConnectionKeepsItsAssociation(t *testing.T) {
	s := newSite(t, []Step{{By: RPCAssociation}})
	w := s.associated("192.0.2.7", 0, 17)
	for range 3 {
		s.pass(7 * time.Hour)
		s.chain.Touch(s.now, &w)
	}
	s.expectAssociation("after a day", "192.0.2.7", 17, true)
	s.pass(9 * time.Hour)
	s.expectAssociation("closed for longer than the timeout", "192.0.2.7", 17, false)
}

// Servers number for themselves: a client may get a number twice, and the server
// that gave it last is meant. So it is where a server is gone.
func TestBindAckMovesAnAssociation(t *testing.T) {
	s := newSite(t, []Step{{By: RPCAssociation}})
	s.associated("192.0.2.7", 0, 17)
	s.choose = cas2
	w := s.associated("192.0.2.7", 0, 17)
	s.expectAssociation("given again by another server", "192.0.2.7", 17, false)
	if rd := w.Readings[0]; rd.Server != cas2 || !rd.Confirmed || rd.Key.IsZero() {
		t.Errorf("reading %+v; want a confirmed key of server 2", rd)
	}
	s.gone[cas2], s.choose = true, cas1
	if w := s.associated("192.0.2.7", 17, 18); w.Why != Rebound {
		t.Errorf("with its server gone: %v; want %v", w.Why, Rebound)
	}
	s.expectAssociation("the one that the new server gave", "192.0.2.7", 18, true)
}

// Without a server or a number there is nothing to take in.
func TestAssociateNothing(t *testing.T) {
	s := newSite(t, []Step{{By: RPCAssociation}})
	r := callFrom("192.0.2.7", "")
	r.Association = 17
	var w Walk
	s.chain.Walk(s.now, r, s, &w)
	s.chain.Associate(s.now, &w, r) // before Bind
	s.associated("192.0.2.7", 0, 0)
	if n := s.chain.table.Len(); n != 0 {
		t.Errorf("%d bindings; want 0", n)
	}
}
