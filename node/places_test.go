package node

import (
	"testing"
	"time"

	"casbah/balance"
	"casbah/persistence"
	"casbah/profiles"
)

// A reload puts the limits of the servers in force; one that is not in the file
// any more, or has none there, takes all that comes.
func TestLimitsFollowTheFile(t *testing.T) {
	l := newLive(persistence.NewTable(persistence.TableOptions{PerCore: 1, Cores: 1}), persistence.Secret{})
	conf := func(servers ...profiles.Server) *profiles.Config {
		c := profiles.Default()
		c.Servers = servers
		return c
	}
	limited := func(name string) profiles.Server {
		return profiles.Server{Name: name, MaxConnections: 5, Queue: 7, QueueTimeout: time.Second}
	}
	before := conf(limited("cas1"), limited("cas2"), limited("cas3"))
	l.limit(before, nil)
	if got, want := l.servers.Get("cas1").Limit(), (balance.Limit{Max: 5, Queue: 7, Timeout: time.Second}); got != want {
		t.Errorf("limit %+v; want %+v", got, want)
	}
	l.limit(conf(limited("cas1"), profiles.Server{Name: "cas2", Queue: 100}), &snapshot{config: before})
	for name, want := range map[string]int{"cas1": 5, "cas2": 0, "cas3": 0} {
		if got := l.servers.Get(name).Limit().Max; got != want {
			t.Errorf("after the reload %s takes %d; want %d", name, got, want)
		}
	}
}
