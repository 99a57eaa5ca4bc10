package tlsterm

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"casbah/internal/tlsid"
)

// noted is a connection that takes the identity of its session.
type noted struct {
	net.Conn
	note tlsid.Note
}

func (n *noted) TLSNote() *tlsid.Note { return &n.note }

// identify shakes hands and returns what the server knows of the session.
func identify(t *testing.T, server, client *tls.Config) (id tlsid.ID, resumed bool) {
	t.Helper()
	a, b := connect(t)
	carrier := &noted{Conn: a}
	conn := tls.Server(carrier, server)
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		done <- echo(conn)
	}()
	if err := ask(tls.Client(b, client)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	resumed = conn.ConnectionState().DidResume
	return carrier.note.ID(resumed), resumed
}

// S11, S38: a TLS session has one identity however often it is resumed, and
// another session has another one.
func TestIdentityStaysAtResumption(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, client *tls.Config) {
		server := NewTicketKeys(noon).outer(ServerConfig(certs, Policy{}))
		first, resumed := identify(t, server, client)
		if first.IsZero() || resumed {
			t.Fatalf("the first session is %x, resumed %v", first, resumed)
		}
		for n := range 4 {
			if id, resumed := identify(t, server, client); id != first || !resumed {
				t.Errorf("resumption %d: %x, resumed %v; want %x", n+1, id, resumed, first)
			}
		}
		client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		if id, _ := identify(t, server, client); id == first || id.IsZero() {
			t.Errorf("another session is %x; the first was %x", id, first)
		}
	})
}

// S38: a ticket that is not ours, or was altered, leads to a full handshake with
// an identity of its own.
func TestForeignTicketIsANewSession(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, client *tls.Config) {
		config := ServerConfig(certs, Policy{})
		ours, theirs := NewTicketKeys(noon), NewTicketKeys(noon)
		first, _ := identify(t, theirs.outer(config), client)
		if id, resumed := identify(t, ours.outer(config), client); resumed || id == first || id.IsZero() {
			t.Errorf("a foreign ticket: %x, resumed %v; it was of %x", id, resumed, first)
		}
		nameless := ServerConfig(certs, Policy{}) // under our keys, and without an identity
		nameless.WrapSession, nameless.UnwrapSession = ours.seal.EncryptTicket, ours.seal.DecryptTicket
		client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		mustShake(t, nameless, client)
		if id, resumed := identify(t, ours.outer(config), client); resumed || id.IsZero() {
			t.Errorf("a ticket without an identity: %x, resumed %v", id, resumed)
		}
		first, _ = identify(t, ours.outer(config), client)
		client.ClientSessionCache = forger{client.ClientSessionCache}
		if id, resumed := identify(t, ours.outer(config), client); resumed || id == first {
			t.Errorf("an altered ticket: %x, resumed %v", id, resumed)
		}
	})
}

// forger is a cache whose tickets were altered.
type forger struct{ tls.ClientSessionCache }

func (f forger) Get(key string) (*tls.ClientSessionState, bool) {
	state, ok := f.ClientSessionCache.Get(key)
	if !ok {
		return nil, false
	}
	ticket, session, err := state.ResumptionState()
	if err != nil {
		return nil, false
	}
	ticket = bytes.Clone(ticket)
	ticket[len(ticket)/2] ^= 1
	state, err = tls.NewResumptionState(ticket, session)
	return state, err == nil
}

// A session that the server may not resume has no part in the new one.
func TestRefusedTicketIsANewSession(t *testing.T) {
	certs, client := mailServer(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	client.MaxVersion = tls.VersionTLS12
	keys := NewTicketKeys(noon)
	one := Policy{Ciphers: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	other := Policy{Ciphers: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}}
	first, _ := identify(t, keys.outer(ServerConfig(certs, one)), client)
	id, resumed := identify(t, keys.outer(ServerConfig(certs, other)), client)
	if resumed || id == first || id.IsZero() {
		t.Errorf("with another suite: %x, resumed %v; the session before was %x", id, resumed, first)
	}
}

// S38: a client without tickets has no session to be known by.
func TestClientWithoutTicketsHasNoIdentity(t *testing.T) {
	certs, client := mailServer(t)
	client.MaxVersion = tls.VersionTLS12
	client.SessionTicketsDisabled = true
	keys := NewTicketKeys(noon)
	if id, _ := identify(t, keys.outer(ServerConfig(certs, Policy{})), client); !id.IsZero() {
		t.Errorf("identity %x; want none", id)
	}
}

// Handshakes at the same time do not mix their identities up.
func TestIdentitiesOfManyHandshakes(t *testing.T) {
	forTickets(t, func(t *testing.T, certs *Certs, trust *tls.Config) {
		server := NewTicketKeys(noon).outer(ServerConfig(certs, Policy{}))
		var mu sync.Mutex
		seen := make(map[tlsid.ID]bool)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				client := trust.Clone()
				client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
				first, _ := identify(t, server, client)
				for range 5 {
					if id, resumed := identify(t, server, client); id != first || !resumed {
						t.Errorf("%x, resumed %v; want %x", id, resumed, first)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if seen[first] {
					t.Errorf("%x is of two sessions", first)
				}
				seen[first] = true
			})
		}
		all.Wait()
	})
}

func FuzzIdentity(f *testing.F) {
	id := tlsid.ID{1, 2, 3}
	f.Add(entryOf(id), []byte("another layer's"))
	f.Add([]byte("another layer's"), entryOf(id))
	f.Add(entryOf(id), entryOf(tlsid.ID{4}))
	f.Add(entryOf(tlsid.ID{}), []byte(nil))
	f.Add([]byte(identityMark), append(entryOf(id), 0))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		got, ok := identityIn([][]byte{a, b})
		if ok == got.IsZero() {
			t.Fatalf("identityIn = %x, %v", got, ok)
		}
		entry := entryOf(got)
		if ok && bytes.Equal(a, entry) == bytes.Equal(b, entry) {
			t.Fatalf("%x was read from %q and %q", got, a, b)
		}
		ours := bytes.HasPrefix(a, []byte(identityMark)) || bytes.HasPrefix(b, []byte(identityMark))
		if read, ok := identityIn([][]byte{a, entryOf(id), b}); ok == ours || ok && read != id {
			t.Fatalf("between %q and %q: %x, %v", a, b, read, ok)
		}
	})
}
