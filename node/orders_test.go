package node

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casbah/balance"
)

// ordering is a node with two servers whose probes ask nothing.
func ordering(t *testing.T, dir, more string) *rig {
	t.Helper()
	r := newRig(t, dir, twoServers(more))
	r.until("all services are up", func() bool {
		for _, p := range r.snap.Load().plans {
			if p.service.Health() != balance.Up {
				return false
			}
		}
		return true
	})
	return r
}

// twoServers is the text of a configuration, with more profiles of the VIP.
func twoServers(more string) string {
	return `server = [{ name = "cas1", address = "127.0.0.1:1" }, { name = "cas2", address = "127.0.0.1:2" }]
pool = [{ name = "cas", servers = ["cas1", "cas2"] }]
vip = [{ name = "mail", type = "http", listen = ["127.0.0.1:0"], profiles = ["owa"` + more + `], pool = "cas" }]
[profile.owa.probe]
kind = "none"
[profile.ecp.probe]
kind = "none"
[profile.eas.probe]
kind = "none"
`
}

// ordered returns what is ordered of services, by their names.
func (r *rig) ordered() map[string]Order {
	got := make(map[string]Order)
	for _, p := range r.Status().Pools {
		for _, s := range p.Servers {
			for _, v := range s.Services {
				if v.Order != nil {
					got[s.Name+" "+v.Profile+" "+v.State] = *v.Order
				}
			}
		}
	}
	return got
}

// Orders outlive a restart, with all that was said of them.
func TestOrdersOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	r := ordering(t, dir, `, "ecp"`)
	for _, c := range []Command{
		{State: drainOrder, Server: "cas1", Firm: true, Until: time.Now().Add(time.Hour), Wait: time.Minute, Who: "anna", Why: "CU23"},
		{State: maintenanceOrder, Server: "cas2", Profile: "ecp", Wait: time.Second, Force: true},
	} {
		if _, err := r.Order(c); err != nil {
			t.Fatal(err)
		}
	}
	want := r.ordered()
	if len(want) != 3 || want["cas1 owa drain"].Who != "anna" || want["cas2 ecp maintenance"].Wait != time.Second {
		t.Fatalf("ordered: %+v", want)
	}
	r.stop()
	again := ordering(t, dir, `, "ecp"`)
	if got := again.ordered(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart %+v; want %+v", got, want)
	}
	if !strings.Contains(again.log.String(), "orders from before the start are in force again: 3") {
		t.Error("nobody is told")
	}
	if _, err := again.Order(Command{State: readyOrder, Pool: "cas"}); err != nil {
		t.Fatal(err)
	}
	again.stop()
	if got := ordering(t, dir, `, "ecp"`).ordered(); len(got) != 0 {
		t.Errorf("ready, and after a restart %+v; want nothing", got)
	}
}

// A drain whose time has come while casbah did not run is over.
func TestDrainThatEndedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	r := ordering(t, dir, "")
	if _, err := r.Order(Command{State: drainOrder, Server: "cas1", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	path := filepath.Join(dir, orderFileName)
	var f orderFile
	if err := (stateFile{path}).load(&f); err != nil {
		t.Fatal(err)
	}
	f.Orders[0].Until = time.Now().Add(-time.Hour)
	if err := (stateFile{path}).save(&f); err != nil {
		t.Fatal(err)
	}
	again := ordering(t, dir, "")
	again.until("it is in maintenance", func() bool { _, ok := again.ordered()["cas1 owa maintenance"]; return ok })
}

// A file that cannot be what casbah wrote is set aside, and said to be lost.
func TestDamagedOrders(t *testing.T) {
	const since = `"since":"2026-11-22T21:00:00Z"`
	for name, text := range map[string]string{
		"no-json":      "orders",
		"cut":          `{"version":1,"orders":[{"server":"cas1"`,
		"newer":        `{"version":2,"orders":[]}`,
		"unknown-key":  `{"version":1,"orders":[],"more":1}`,
		"state":        `{"version":1,"orders":[{"server":"cas1","pool":"cas","profile":"owa","state":"up","wait":"30s",` + since + `}]}`,
		"wait":         `{"version":1,"orders":[{"server":"cas1","pool":"cas","profile":"owa","state":"drain","wait":"-1s",` + since + `}]}`,
		"no-wait":      `{"version":1,"orders":[{"server":"cas1","pool":"cas","profile":"owa","state":"drain",` + since + `}]}`,
		"no-since":     `{"version":1,"orders":[{"server":"cas1","pool":"cas","profile":"owa","state":"drain","wait":"30s"}]}`,
		"firm-at-rest": `{"version":1,"orders":[{"server":"cas1","pool":"cas","profile":"owa","state":"maintenance","firm":true,"wait":"30s",` + since + `}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, orderFileName)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := ordering(t, dir, "")
			if got := r.ordered(); len(got) != 0 {
				t.Errorf("in force: %+v", got)
			}
			kept, err := os.ReadFile(path + ".damaged")
			if err != nil || string(kept) != text || !strings.Contains(r.log.String(), "ordered of servers is lost") {
				t.Errorf("set aside: %q, %v\n%s", kept, err, r.log.String())
			}
		})
	}
}

// A reload keeps orders. A service that it adds joins its server in what all
// others of that have in common, and the order of one that goes is forgotten.
func TestOrdersFollowAReload(t *testing.T) {
	r := ordering(t, t.TempDir(), "")
	if _, err := r.Order(Command{State: maintenanceOrder, Server: "cas1", Wait: time.Minute, Why: "disk"}); err != nil {
		t.Fatal(err)
	}
	r.write(twoServers(`, "ecp"`))
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := r.ordered()
	if len(got) != 2 || got["cas1 ecp maintenance"].Why != "disk" || got["cas1 owa maintenance"].Why != "disk" {
		t.Errorf("after a reload with one more profile: %+v", got)
	}
	if _, err := r.Order(Command{State: readyOrder, Server: "cas1", Profile: "owa"}); err != nil {
		t.Fatal(err)
	}
	r.write(twoServers(""))
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := r.ordered(); len(got) != 0 || !strings.Contains(r.log.String(), "forgotten: cas1 of pool cas (ecp)") {
		t.Errorf("after a reload without it: %+v\n%s", got, r.log.String())
	}
	r.write(twoServers(`, "ecp"`))
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := r.ordered(); len(got) != 0 {
		t.Errorf("back again: %+v; want nothing", got)
	}
}

// An order that cannot be saved is in force, and the operator is told.
func TestOrderThatCannotBeSaved(t *testing.T) {
	r := ordering(t, t.TempDir(), "")
	if err := os.Mkdir(r.orderFile().path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := r.Order(Command{State: drainOrder, Server: "cas1"})
	if !errors.Is(err, ErrUnsaved) || !strings.Contains(err.Error(), "would not outlive a restart: open ") {
		t.Errorf("Order() = %v; want that it is not saved", err)
	}
	if _, ok := r.ordered()["cas1 owa drain"]; !ok {
		t.Error("it is not in force")
	}
}

// Drains become maintenance when their time has come, each by itself.
func TestDrainsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s orders
		plans := []plan{{key: serviceKey{"cas", "owa", "cas1"}}, {key: serviceKey{"cas", "owa", "cas2"}}, {key: serviceKey{"cas", "owa", "cas3"}}}
		begun := time.Now()
		for i := range plans {
			plans[i].service = &balance.Service{Server: new(balance.Server)}
			o := &Order{State: drainOrder, Firm: true, Since: begun, Wait: time.Minute}
			if i < 2 {
				o.Until = begun.Add(time.Duration(i+1) * time.Hour)
			}
			s.set(begun, &plans[i], o)
		}
		for i := range 2 {
			at, ok := s.due()
			if want := begun.Add(time.Duration(i+1) * time.Hour); !ok || !at.Equal(want) {
				t.Fatalf("due %v, %v; want %v", at, ok, want)
			}
			time.Sleep(time.Until(at) - 1)
			if ended := s.end(time.Now()); len(ended) != 0 {
				t.Errorf("%v end too early", ended)
			}
			time.Sleep(time.Nanosecond)
			if ended := s.end(time.Now()); len(ended) != 1 || ended[0] != plans[i].key {
				t.Errorf("%v end; want %v", ended, plans[i].key)
			}
			if o := plans[i].service.Order(); o.Kind != balance.OrderMaintenance || o.Close != at.Add(time.Minute).UnixNano() || plans[i].service.State() != balance.Maintenance {
				t.Errorf("then %+v", o)
			}
		}
		if at, ok := s.due(); ok || plans[2].service.State() != balance.Drain {
			t.Errorf("without a time it ends at %v", at)
		}
	})
}

// What the file holds is what was ordered.
func TestOrderFile(t *testing.T) {
	var s orders
	p := plan{key: serviceKey{"cas", "owa", "cas1"}, service: &balance.Service{Server: new(balance.Server)}}
	want := Order{State: drainOrder, Firm: true, Since: plain(time.Now()), Until: plain(time.Now().Add(time.Hour)), Wait: 90 * time.Second, Who: "a", Why: "b"}
	s.set(time.Now(), &p, &want)
	text, err := json.Marshal(s.record(nil))
	if err != nil {
		t.Fatal(err)
	}
	var f orderFile
	var again orders
	if err := errors.Join(json.Unmarshal(text, &f), again.restore(&f)); err != nil {
		t.Fatal(err)
	}
	if got := again.of(p.key); got == nil || *got != want {
		t.Errorf("from %s: %+v; want %+v", text, got, want)
	}
}

// What a service has joined in by a reload holds over a restart as well: its server
// is in maintenance, and nobody is to come.
func TestJoinedOrderOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	r := ordering(t, dir, "")
	if _, err := r.Order(Command{State: maintenanceOrder, Server: "cas1", Wait: time.Minute, Why: "disk"}); err != nil {
		t.Fatal(err)
	}
	r.write(twoServers(`, "ecp"`))
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if got := ordering(t, dir, `, "ecp"`).ordered(); len(got) != 2 || got["cas1 ecp maintenance"].Why != "disk" {
		t.Errorf("after a restart %+v; want ecp on cas1 in maintenance, too", got)
	}
}

// A service that the file has more after a restart than before joins its server, as
// after a reload, unless another one of the server is under no order.
func TestOrdersFollowARestart(t *testing.T) {
	for _, ready := range []string{"", "owa"} {
		dir := t.TempDir()
		r := ordering(t, dir, `, "eas"`)
		if _, err := r.Order(Command{State: maintenanceOrder, Server: "cas1", Why: "disk"}); err != nil {
			t.Fatal(err)
		}
		if ready != "" {
			if _, err := r.Order(Command{State: readyOrder, Server: "cas1", Profile: ready}); err != nil {
				t.Fatal(err)
			}
		}
		r.stop()
		got := ordering(t, dir, `, "eas", "ecp"`).ordered()
		if joined := got["cas1 ecp maintenance"].Why == "disk"; joined != (ready == "") || got["cas1 eas maintenance"].Why != "disk" {
			t.Errorf("with %q ready before: %+v", ready, got)
		}
	}
}

// Deadlines are times of the day: the clock may be set while one is waited for, so
// that nobody waits for long without a look.
func TestDeadlinesAreLookedForAgain(t *testing.T) {
	var s orders
	now := time.Now()
	p := plan{key: serviceKey{"cas", "owa", "cas1"}, service: &balance.Service{Server: new(balance.Server)}}
	if wait, ok := s.pause(now); ok {
		t.Errorf("without an order there is a look in %v", wait)
	}
	for until, want := range map[time.Duration]time.Duration{time.Hour: orderLook, time.Second: time.Second, -time.Hour: -time.Hour} {
		s.set(now, &p, &Order{State: drainOrder, Since: now, Until: now.Add(until)})
		if wait, ok := s.pause(now); !ok || wait != want {
			t.Errorf("a deadline in %v: a look in %v, %t; want %v", until, wait, ok, want)
		}
	}
}

// Where panic_below has clients use servers that are down, the last one of them is
// not taken away by the way.
func TestLastServerOfAPanicIsKept(t *testing.T) {
	for _, panicBelow := range []string{"0", "50"} {
		text := strings.Replace(twoServers(""), `servers = ["cas1", "cas2"]`, `servers = ["cas1", "cas2"], panic_below = `+panicBelow, 1)
		r := newRig(t, t.TempDir(), strings.Replace(text, `kind = "none"`, "kind = \"tcp\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nfall = 1", 1))
		r.until("both servers are down", func() bool {
			for _, p := range r.snap.Load().plans {
				if p.service.Health() != balance.Down {
					return false
				}
			}
			return true
		})
		for _, c := range []struct {
			server string
			state  Command
			left   bool
		}{
			{"cas1", Command{State: maintenanceOrder}, false},
			{"cas2", Command{State: drainOrder}, false},
			{"cas2", Command{State: maintenanceOrder}, panicBelow != "0"},
		} {
			c.state.Server = c.server
			_, err := r.Order(c.state)
			if _, bare := errors.AsType[*BareError](err); bare != c.left || err != nil && !bare {
				t.Errorf("panic_below %s: %s of %s: %v", panicBelow, c.state.State, c.server, err)
			}
		}
	}
}
