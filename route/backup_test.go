package route

import (
	"slices"
	"testing"
	"time"

	"casbah/balance"
)

// Backups take new clients while no ordinary server does, and at no other time:
// each case names the states of two ordinary servers and two backups.
func TestWhoTakesNewClientsWithBackups(t *testing.T) {
	const (
		up, down, drain, away, unknown = balance.Up, balance.Down, balance.Drain, balance.Maintenance, balance.Unknown
	)
	for _, tt := range []struct {
		states    [4]balance.State
		below     int              // panic_below
		want      balance.Eligible // who takes new clients
		keeps     balance.Eligible // who serves only those that are bound to it
		panics    bool
		backupsIn bool
	}{
		{states: [4]balance.State{up, up, up, up}, want: 0b0011, keeps: 0b1100},
		{states: [4]balance.State{up, down, up, up}, want: 0b0001, keeps: 0b1100},
		{states: [4]balance.State{down, down, up, up}, want: 0b1100, backupsIn: true},
		{states: [4]balance.State{drain, away, up, down}, want: 0b0100, keeps: 0b0001, backupsIn: true},
		{states: [4]balance.State{down, down, down, away}},
		{states: [4]balance.State{unknown, unknown, up, up}, want: 0b0011, keeps: 0b1100},
		{states: [4]balance.State{unknown, unknown, unknown, unknown}, want: 0b0011, keeps: 0b1100},
		{states: [4]balance.State{unknown, down, up, up}, want: 0b1100, keeps: 0b0001, backupsIn: true},
		{states: [4]balance.State{up, down, up, up}, below: 50, want: 0b0001, keeps: 0b1100},
		{states: [4]balance.State{up, down, up, up}, below: 51, want: 0b0011, keeps: 0b1100, panics: true},
		{states: [4]balance.State{up, away, up, up}, below: 51, want: 0b0001, keeps: 0b1100, panics: true},
		{states: [4]balance.State{down, down, up, down}, below: 51, want: 0b0100, backupsIn: true},
		{states: [4]balance.State{down, away, down, down}, below: 51, want: 0b1101, panics: true, backupsIn: true},
	} {
		s := newSite(t, "least_conn", 4, nil)
		p := s.profile
		p.Backups, p.PanicBelow = 0b1100, tt.below
		for i, st := range tt.states {
			s.set(i, st)
		}
		if got := p.eligible(); got != tt.want {
			t.Errorf("%v, panic_below %d: %04b take new clients; want %04b", tt.states, tt.below, got, tt.want)
		}
		if got := p.keeping() &^ p.eligible(); got&^0b0011 != tt.keeps&^0b0011 && !slices.Contains(tt.states[:], unknown) {
			t.Errorf("%v: %04b keep their clients; want %04b", tt.states, got, tt.keeps)
		}
		if p.Panics() != tt.panics || p.BacksUp() != tt.backupsIn {
			t.Errorf("%v, panic_below %d: panics %v, backs up %v; want %v, %v", tt.states, tt.below, p.Panics(), p.BacksUp(), tt.panics, tt.backupsIn)
		}
	}
}

// Who came to a backup stays there when an ordinary server is back, until the
// binding ends; new clients do not come any more.
func TestClientsOfABackupStay(t *testing.T) {
	s := newSite(t, "round_robin", 3, nil)
	s.profile.Backups, s.lead = 0b100, nil
	s.set(0, balance.Down)
	s.set(1, balance.Down)
	old := request(t, "192.0.2.1", "", "")
	if d := s.decide(old); d.Server() != "cas3" || d.Why() != "backup" {
		t.Fatalf("with no ordinary server up: %s, %s; want cas3, backup", d.Server(), d.Why())
	}
	if e := s.newest(t); !slices.Contains(e.Notes, "backup: no ordinary server takes traffic") || !e.Servers[2].Backup {
		t.Errorf("explanation %+v", e)
	}
	s.set(0, balance.Up)
	if d := s.decide(old); d.Server() != "cas3" || d.Why() != "bound" {
		t.Errorf("with cas1 back its client goes to %s, %s; want cas3, bound", d.Server(), d.Why())
	}
	if e := s.profile.Explain(s.now, old); len(e.Notes) == 0 || e.Notes[0] != "cas3 is a backup whose time is over: clients that are bound to it stay until their binding ends" {
		t.Errorf("explanation %+v", e)
	}
	if d := s.decide(request(t, "192.0.2.2", "", "")); d.Server() != "cas1" || d.Why() != "fresh" {
		t.Errorf("with cas1 back a new client goes to %s, %s; want cas1, fresh", d.Server(), d.Why())
	}
	s.set(2, balance.Maintenance)
	if d := s.decide(old); d.Server() != "cas1" || d.Why() != "rebound_maintenance" {
		t.Errorf("with the backup in maintenance: %s, %s", d.Server(), d.Why())
	}
	s.now += int64(2 * time.Hour)
	s.set(2, balance.Up)
	if d := s.decide(old); d.Server() != "cas1" {
		t.Errorf("once the binding has ended: %s; want cas1", d.Server())
	}
}

// A pool without backups chooses as ever, and one with them does not allocate.
func TestBackupsDoNotAllocate(t *testing.T) {
	s := newSite(t, "least_conn", 3, nil)
	s.profile.Backups = 0b100
	s.set(0, balance.Down)
	s.set(1, balance.Down)
	r, d := request(t, "192.0.2.1", "", ""), new(Decision)
	if n := testing.AllocsPerRun(100, func() {
		s.profile.Decide(s.now, r, d)
		d.Commit(s.now)
		d.Release(s.now)
	}); n != 0 || d.Server() != "cas3" {
		t.Errorf("%v allocations for a decision for %s", n, d.Server())
	}
}
