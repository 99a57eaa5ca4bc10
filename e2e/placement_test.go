package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"casbah/lab"
	"casbah/node"
)

// crowdOfMailboxes is how many users, each with a mailbox, log on.
const crowdOfMailboxes = 24

// placing is a rig whose servers hold mailboxes and say so.
type placing struct {
	*rig
	before node.PlacementStatus
}

func newPlacing(t *testing.T, m mode, word string) *placing {
	t.Helper()
	r := newRig(t, setup{
		mode: m, lab: lab.Options{Mailboxes: true}, profiles: `"mapi"`, extra: unprobed("mapi"),
		pool: fmt.Sprintf("algorithm = \"round_robin\"\nplacement = %q", word),
	})
	for i := range crowdOfMailboxes {
		r.array.Users().Add(mailboxUser(i), "secret")
	}
	return &placing{rig: r}
}

func mailboxUser(i int) string { return fmt.Sprintf("user%02d", i) }

// ask has user i ask once, on a connection and from an address of its own.
func (p *placing) ask(i int) answer {
	p.t.Helper()
	c := p.client(fmt.Sprintf("127.0.3.%d", i+1))
	defer c.CloseIdleConnections()
	a := c.do("POST", "/mapi/emsmdb/", "x", "X-RequestType", "PING", "Authorization", basicAuth(mailboxUser(i), "secret"))
	if a.status != http.StatusOK || a.user != mailboxUser(i) {
		p.t.Fatalf("%s: status %d as %q", mailboxUser(i), a.status, a.user)
	}
	return a
}

// day is what came of one.
type day struct {
	at            [crowdOfMailboxes]string // the server of each user
	told, crossed uint64                   // requests, as casbah counts
	really        uint64                   // that crossed, as the servers count
}

// day has every user ask three times.
func (p *placing) day() (d day) {
	p.t.Helper()
	counted := p.crossings()
	for range 3 {
		for i := range d.at {
			a := p.ask(i)
			if d.at[i] != "" && d.at[i] != a.server {
				p.t.Errorf("%s went from %s to %s: a live binding moved", mailboxUser(i), d.at[i], a.server)
			}
			d.at[i] = a.server
		}
	}
	now := *p.node.Status().Pools[0].Placement
	d.told, d.crossed, d.really = now.Told-p.before.Told, now.Crossed-p.before.Crossed, p.crossings()-counted
	p.before = now
	return d
}

// crossings are those that the servers have counted.
func (p *placing) crossings() (n uint64) {
	for _, c := range p.array.Servers() {
		n += c.Counts().Crossed
	}
	return n
}

// night ends all bindings, as their timeout would.
func (p *placing) night() {
	p.t.Helper()
	if n, err := p.node.DeleteBindings(&node.BindingFilter{}); err != nil || n == 0 {
		p.t.Fatalf("%d bindings ended, %v", n, err)
	}
}

// With placement = "prefer" clients that log on anew come to the server of their
// mailbox, and nothing crosses any more; until then, and with "observe" for ever,
// requests cross as the algorithm has it. Live bindings stay.
func TestPlacementBringsClientsHome(t *testing.T) {
	for _, word := range []string{"observe", "prefer"} {
		t.Run(word, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				p := newPlacing(t, m, word)
				const all = 3 * crowdOfMailboxes
				first := p.day()
				if first.told != all || first.crossed < all/3 || first.crossed != first.really {
					t.Fatalf("first day: %d answers told, %d crossed, the servers count %d; want %d, about two thirds of them", first.told, first.crossed, first.really, all)
				}
				p.night()
				second := p.day()
				if second.told != all || second.crossed != second.really {
					t.Errorf("second day: %d answers told, %d crossed, the servers count %d", second.told, second.crossed, second.really)
				}
				if word == "observe" {
					if second.at != first.at || p.before.Preferred != 0 {
						t.Errorf("observed, and clients went elsewhere: %v, then %v", first.at, second.at)
					}
					return
				}
				if second.crossed != 0 || p.before.Preferred != crowdOfMailboxes {
					t.Errorf("second day: %d requests crossed, %d clients were brought home; want 0, %d", second.crossed, p.before.Preferred, crowdOfMailboxes)
				}
				t.Logf("crossed: %d of %d, then %d of %d", first.crossed, first.told, second.crossed, second.told)
			})
		})
	}
}

// A mailbox that moves is found by the next answer, and its client goes there with its
// next binding, not before; while its server is down another one serves, without a
// word to the client.
func TestPlacementFollowsTheMailbox(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		p := newPlacing(t, m, "prefer")
		const user = 0
		home := func(i int) {
			t.Helper()
			p.array.MoveMailbox(mailboxUser(user), i)
		}
		home(1)
		p.ask(user)
		p.night()
		if a := p.ask(user); a.server != "cas2" {
			t.Fatalf("the client of cas2's mailbox is at %s", a.server)
		}
		home(2)
		if a := p.ask(user); a.server != "cas2" || a.header.Get("X-BEServer") != "CAS3" {
			t.Errorf("the mailbox moved to cas3, and the client is at %s, sent on to %s; want cas2, CAS3", a.server, a.header.Get("X-BEServer"))
		}
		p.night()
		if a := p.ask(user); a.server != "cas3" {
			t.Errorf("the next binding is to %s; want cas3", a.server)
		}
		p.night()
		p.array.CAS(2).Stop()
		if a := p.ask(user); a.server == "cas3" {
			t.Error("a server that is stopped has answered")
		}
	})
}
