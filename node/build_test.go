package node

import (
	"slices"
	"testing"
	"time"

	"casbah/profiles"
)

// A server's own port wins over the one that pool and profile name.
func TestTargetOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1:80",
		"192.0.2.1:81":        "192.0.2.1:81",
		"cas1.example.org":    "cas1.example.org:80",
		"cas1.example.org:81": "cas1.example.org:81",
		"2001:db8::1":         "[2001:db8::1]:80",
		"[2001:db8::1]":       "[2001:db8::1]:80",
		"[2001:db8::1]:81":    "[2001:db8::1]:81",
	} {
		if got := targetOf(&profiles.Server{Address: address}, 80); got != want {
			t.Errorf("targetOf(%s, 80) = %s; want %s", address, got, want)
		}
	}
}

func TestProbeHost(t *testing.T) {
	vip := &profiles.VIP{Hosts: []string{"mail.example.org", "other.example.org"}}
	for _, tt := range []struct {
		vip  *profiles.VIP
		host string
		want string
	}{
		{vip, "", "mail.example.org"},
		{vip, "probe.example.org", "probe.example.org"},
		{&profiles.VIP{}, "", ""},
	} {
		if got := probeHost(tt.vip, profiles.Probe{Host: tt.host}); got != tt.want {
			t.Errorf("probeHost(%v, %q) = %q; want %q", tt.vip.Hosts, tt.host, got, tt.want)
		}
	}
}

// Within a group each cookie step honours the server cookies of the others.
func TestGroupCookies(t *testing.T) {
	conf := profiles.Default()
	b := &builder{conf: conf}
	if got, want := b.groupCookies(conf.Profiles["owa"], "UserContext"), []string{"msExchEcpCanary"}; !slices.Equal(got, want) {
		t.Errorf("groupCookies(owa) = %v; want %v", got, want)
	}
	if got, want := b.groupCookies(conf.Profiles["ecp"], "msExchEcpCanary"), []string{"UserContext"}; !slices.Equal(got, want) {
		t.Errorf("groupCookies(ecp) = %v; want %v", got, want)
	}
	if got := b.groupCookies(conf.Profiles["ews"], "exchangecookie"); len(got) != 0 {
		t.Errorf("groupCookies(ews) = %v; want none: it is in no group", got)
	}
}

// Every key that a restart is needed for is named, and no other.
func TestProcessChanges(t *testing.T) {
	base := profiles.Default().Process
	for key, change := range map[string]func(*profiles.Process){
		"state_dir":     func(p *profiles.Process) { p.StateDir = "x" },
		"engine":        func(p *profiles.Process) { p.Engine = "x" },
		"loops":         func(p *profiles.Process) { p.Loops++ },
		"drain_timeout": func(p *profiles.Process) { p.DrainTimeout = time.Hour },
		"log":           func(p *profiles.Process) { p.Log.Level = "debug" },
		"limits":        func(p *profiles.Process) { p.Limits.HeadBytes++ },
		"admin":         func(p *profiles.Process) { p.Admin.Listen = "x" },
	} {
		next := base
		change(&next)
		if got := processChanges(&base, &next); !slices.Equal(got, []string{key}) {
			t.Errorf("processChanges = %v; want %s", got, key)
		}
	}
	if got := processChanges(&base, &base); len(got) != 0 {
		t.Errorf("processChanges = %v; want none", got)
	}
}
