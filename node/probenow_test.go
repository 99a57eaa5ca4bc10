package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"casbah/lab"
	"casbah/profiles"
)

// probedText is two servers with OWA and, in a pool of its own, IMAP4.
const probedText = `
server = [{ name = "cas1", address = %[1]q }, { name = "cas2", address = %[2]q }, { name = "mail1", address = %[3]q }]
pool = [{ name = "cas", servers = ["cas1", "cas2"] }, { name = "mail", servers = ["mail1"] }]
vip = [
  { name = "web", type = "http", listen = ["127.0.0.1:0"], profiles = ["owa", "eas"], pool = "cas" },
  { name = "imap", type = "tcp", listen = ["127.0.0.1:0"], profiles = ["imap4"], pool = "mail" },
]
[profile.owa.probe]
path = "/owa/healthcheck.htm"
[profile.eas.probe]
path = "/owa/healthcheck.htm"
[profile.eas.deep_probe]
user = 'LAB\probe'
password_file = "probe.words"
`

// newProbedRig is a node in front of simulated servers, of which the second one is
// off.
func newProbedRig(t *testing.T) (*rig, *lab.Array) {
	t.Helper()
	a, err := lab.NewArray(lab.Options{Servers: 2, Mail: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	dir := t.TempDir()
	m := &mailRig{password: dir + "/probe.words"}
	m.words(t, lab.ProbePassword)
	if err := a.Order("cas2", "offline"); err != nil {
		t.Fatal(err)
	}
	return newRig(t, dir, fmt.Sprintf(probedText, a.CAS(0).Addr(), a.CAS(1).Addr(), a.CAS(0).MailAddr("imap4", false))), a
}

// brief renders answers as "server profile verdict" each.
func brief(all []ProbeAnswer) string {
	var words []string
	for i := range all {
		a := &all[i]
		text := a.Server + " " + a.Profile + " " + a.Verdict
		if a.Deep {
			text += " deep"
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// A run asks those services that are meant, by a configuration alone and beside a
// node that runs, whose states it does not change. It shows no secret.
func TestProbeNow(t *testing.T) {
	r, a := newProbedRig(t)
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		filter ProbeFilter
		want   string
	}{
		{"all", ProbeFilter{}, "cas1 owa up, cas2 owa off, cas1 eas up, cas1 eas up deep, cas2 eas off, mail1 imap4 up"},
		{"server", ProbeFilter{Server: "cas2"}, "cas2 owa off, cas2 eas off"},
		{"profile", ProbeFilter{Profile: "owa"}, "cas1 owa up, cas2 owa off"},
		{"profile-alone", ProbeFilter{Server: "imap4"}, "mail1 imap4 up"},
		{"both", ProbeFilter{Server: "cas1", Profile: "eas"}, "cas1 eas up, cas1 eas up deep"},
		{"pool", ProbeFilter{Pool: "mail"}, "mail1 imap4 up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			byFile, err := ProbeConfig(t.Context(), conf, tt.filter)
			if err != nil || brief(byFile) != tt.want {
				t.Errorf("ProbeConfig(%+v) = %s, %v; want %s", tt.filter, brief(byFile), err, tt.want)
			}
			now, err := r.Probe(t.Context(), tt.filter)
			if err != nil || brief(now) != brief(byFile) {
				t.Errorf("Probe(%+v) = %s, %v; want %s", tt.filter, brief(now), err, brief(byFile))
			}
			for i := range now {
				if len(now[i].Dialogue) == 0 || now[i].At.IsZero() || (now[i].Verdict == "up") != (now[i].Error == "") {
					t.Errorf("the answer %+v lacks something", now[i])
				}
			}
			text, err := json.Marshal(append(now, byFile...))
			if err != nil || strings.Contains(string(text), lab.ProbePassword) {
				t.Errorf("%v; the answers show the password:\n%s", err, text)
			}
		})
	}
	const told = "cas1 owa up, cas2 owa off, cas1 eas up, cas1 eas up deep, cas2 eas off, cas2 eas unknown deep, mail1 imap4 up"
	r.until("all have been asked that are asked", func() bool {
		last, err := r.Probes(ProbeFilter{})
		return err == nil && brief(last) == told
	})
	if err := a.Order("cas1", "owa", "503"); err != nil {
		t.Fatal(err)
	}
	now, err := r.Probe(t.Context(), ProbeFilter{Server: "cas1", Profile: "owa"})
	if err != nil || brief(now) != "cas1 owa down" || now[0].Cause != "wrong" {
		t.Errorf("Probe of a sick directory = %+v, %v", now, err)
	}
}

// What is meant by nothing is told with what there is.
func TestProbeNowOfNothing(t *testing.T) {
	r, _ := newProbedRig(t)
	for _, tt := range []struct {
		filter ProbeFilter
		want   string
	}{
		{ProbeFilter{Server: "cas9"}, `server: want one of cas1, cas2, mail1, got "cas9"`},
		{ProbeFilter{Server: "cas1", Profile: "ecp"}, `profile: want one of eas, imap4, owa, got "ecp"`},
		{ProbeFilter{Server: "cas1", Profile: "imap4"}, `profile: want one of eas, imap4, owa, got "imap4"`},
		{ProbeFilter{Pool: "nowhere"}, "no service is meant by that, or none is probed"},
	} {
		for name, ask := range map[string]func(ProbeFilter) ([]ProbeAnswer, error){
			"Probes": r.Probes,
			"Probe":  func(f ProbeFilter) ([]ProbeAnswer, error) { return r.Probe(t.Context(), f) },
		} {
			if got, err := ask(tt.filter); got != nil || err == nil || err.Error() != tt.want {
				t.Errorf("%s(%+v) = %v, %v; want %s", name, tt.filter, got, err, tt.want)
			}
		}
	}
	r.probeRun.Lock()
	defer r.probeRun.Unlock()
	if _, err := r.Probe(t.Context(), ProbeFilter{}); !errors.Is(err, errRunning) {
		t.Errorf("a second run: %v; want %v", err, errRunning)
	}
}

// A run with a password that is wrong tries it three times, not at every service.
func TestProbeNowSparesTheAccount(t *testing.T) {
	r, a := newProbedRig(t)
	if err := a.Order("cas2", "online"); err != nil {
		t.Fatal(err)
	}
	if err := a.Order("account", "probe", "refuse"); err != nil {
		t.Fatal(err)
	}
	conf, _, err := profiles.Load(r.conf)
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	before := a.CAS(0).Counts().Refused + a.CAS(1).Counts().Refused
	conf.VIPs[0].Profiles = append(conf.VIPs[0].Profiles, "ecp")
	conf.Profiles["owa"].DeepProbe, conf.Profiles["ecp"].DeepProbe = conf.Profiles["eas"].DeepProbe, conf.Profiles["eas"].DeepProbe
	conf.Profiles["ecp"].Probe = conf.Profiles["owa"].Probe
	all, err := ProbeConfig(t.Context(), conf, ProbeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if n := a.CAS(0).Counts().Refused + a.CAS(1).Counts().Refused - before; n != 3 {
		t.Errorf("%d logins were refused; want 3: %s", n, brief(all))
	}
	if got := strings.Count(brief(all), "refused deep"); got != 6 {
		t.Errorf("%s; want all six refused", brief(all))
	}
}
