package profiles

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// chainText renders a chain as the table of DESIGN does.
func chainText(p *Profile) string {
	var steps []string
	for _, s := range p.Chain {
		text := s.By
		if s.Name != "" {
			text += " " + s.Name
		}
		if s.Origin == "client" {
			text += " (client)"
		}
		steps = append(steps, text)
	}
	return strings.Join(steps, ", ")
}

func TestShippedChains(t *testing.T) {
	tests := []struct {
		name, chain          string
		idle, floor, binding time.Duration
	}{
		{"owa", "source_ip, cookie UserContext, insert_cookie", 10 * time.Minute, 3 * time.Minute, 8 * time.Hour},                  // S4, S6, S10, S15
		{"ecp", "source_ip, cookie msExchEcpCanary, insert_cookie", 10 * time.Minute, 3 * time.Minute, 8 * time.Hour},              // S4, S6, S7, S16
		{"eas", "source_ip, header Authorization", 61 * time.Minute, time.Hour, 2 * time.Hour},                                     // S17
		{"ews", "cookie exchangecookie, ssl_id", 31 * time.Minute, 31 * time.Minute, 45 * time.Minute},                             // S18
		{"outlook_anywhere", "source_ip, none, cookie OutlookSession (client)", 31 * time.Minute, 16 * time.Minute, 8 * time.Hour}, // S8, S19
		{"oab", "source_ip, ssl_id", 5 * time.Minute, time.Minute, time.Hour},                                                      // S20
		{"autodiscover", "none", 5 * time.Minute, time.Minute, time.Hour},                                                          // S21
		{"powershell", "insert_cookie, cookie MS-WSMAN", 16 * time.Minute, 5 * time.Minute, time.Hour},                             // S4, S6, S9
		{"mapi", "mailbox, source_ip", 10 * time.Minute, 6 * time.Minute, 8 * time.Hour},
		{"rpc_client_access", "source_ip", 2 * time.Hour, 30 * time.Minute, 8 * time.Hour}, // S22
		{"rpc_address_book", "source_ip", 2 * time.Hour, 30 * time.Minute, 8 * time.Hour},  // S23
		{"rpc_endpoint_mapper", "source_ip", 15 * time.Minute, time.Minute, 8 * time.Hour}, // S24
		{"pop3", "none", 31 * time.Minute, 10 * time.Minute, time.Hour},                    // S13
		{"imap4", "none", 31 * time.Minute, 30 * time.Minute, time.Hour},                   // S14, S111
		{"smtp", "none", 10 * time.Minute, 5 * time.Minute, time.Hour},
	}
	ps := shippedProfiles(Exchange2010)
	if len(ps) != len(tests) {
		t.Errorf("%d profiles ship: %v; want %d", len(ps), sorted(ps), len(tests))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := ps[tt.name]
			if p == nil {
				t.Fatal("does not ship")
			}
			if got := chainText(p); got != tt.chain {
				t.Errorf("chain %s; want %s", got, tt.chain)
			}
			if p.IdleTimeout != tt.idle || p.IdleFloor != tt.floor || p.BindingTimeout != tt.binding {
				t.Errorf("idle %v, floor %v, binding %v; want %v, %v, %v",
					p.IdleTimeout, p.IdleFloor, p.BindingTimeout, tt.idle, tt.floor, tt.binding)
			}
		})
	}
}

// A site could have written what ships: it passes the same checks.
func TestShippedProfilesAreRight(t *testing.T) {
	for _, preset := range Shipped() {
		for name, p := range preset.Profiles {
			k := newChecker(t, preset)
			k.at.at[profilePlace(name).path] = 0
			k.profile(profilePlace(name), p)
			if len(k.mistakes) > 0 {
				t.Errorf("%s: %v", preset.Name, k.mistakes)
			}
			if len(p.Paths)+len(p.Ports) == 0 {
				t.Errorf("%s: %s has neither path nor port", preset.Name, name)
			}
			if p.Protocol == "http" && (len(p.Methods) == 0 || len(p.Auth) == 0) {
				t.Errorf("%s: %s names no methods or no auth", preset.Name, name)
			}
		}
		k := newChecker(t, preset)
		k.groups()
		if len(k.mistakes) > 0 {
			t.Errorf("%s: %v", preset.Name, k.mistakes)
		}
	}
}

func newChecker(t *testing.T, p Preset) *checker {
	t.Helper()
	c := Default()
	c.Preset, c.Profiles = p.Name, p.Profiles
	return &checker{newReport("profiles.toml", indexText("")), c, time.Now()}
}

func TestShippedExchange2016(t *testing.T) {
	require := map[string]string{
		"owa": "require", "ecp": "require", "outlook_anywhere": "require", "mapi": "require",
		"eas": "allow", "ews": "allow", "oab": "allow", "autodiscover": "none", "powershell": "none",
	}
	for name, p := range shippedProfiles(Exchange2016) {
		if p.Protocol != "http" {
			continue
		}
		if got := chainText(p); got != "none" {
			t.Errorf("%s: chain %s; want none", name, got)
		}
		if !strings.HasSuffix(p.Probe.Path, "/healthcheck.htm") || !cmp.Equal(p.Probe.Expect, []int{200}) {
			t.Errorf("%s: probe %+v; want healthcheck.htm and 200", name, p.Probe)
		}
		if p.ExtendedProtection != require[name] {
			t.Errorf("%s: extended protection %s; want %s", name, p.ExtendedProtection, require[name])
		}
	}
}

func TestShippedGroups(t *testing.T) {
	groups := make(map[string][]string)
	leads := make(map[string]string)
	ps := shippedProfiles(Exchange2010)
	for _, name := range sorted(ps) {
		if g := ps[name].Group; g != "" {
			groups[g] = append(groups[g], name)
		}
		if ps[name].Lead {
			leads[ps[name].Group] = name
		}
	}
	want := map[string][]string{
		"owa_ecp": {"ecp", "owa"},
		"rpc":     {"rpc_address_book", "rpc_client_access", "rpc_endpoint_mapper"},
	}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"owa_ecp": "owa", "rpc": "rpc_client_access"}, leads); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
}

func TestRPCMethodsAreOutlookAnywheres(t *testing.T) {
	for name, p := range shippedProfiles(Exchange2010) {
		got := strings.Contains(strings.Join(p.Methods, " "), "RPC_IN_DATA")
		if got != (name == "outlook_anywhere") {
			t.Errorf("%s: methods %v", name, p.Methods)
		}
	}
}

func TestShippedProfileText(t *testing.T) {
	for _, name := range sorted(shippedProfiles(Exchange2010)) {
		text, err := ShippedProfile(name)
		if err != nil || !strings.Contains(text, "\n[profile."+name+"]\n") || !strings.Contains(text, "[profile."+name+".probe]") {
			t.Errorf("ShippedProfile(%s) = %q, %v", name, text, err)
		}
		if strings.Count(text, "\n[profile.") != 2 {
			t.Errorf("ShippedProfile(%s) holds another profile:\n%s", name, text)
		}
	}
	if text, err := ShippedProfile("oaw"); err == nil || !strings.Contains(err.Error(), `"owa"`) {
		t.Errorf("ShippedProfile(oaw) = %q, %v; want an error that names owa", text, err)
	}
}

// What casbah prints of a profile may be written into a site's file: it changes
// nothing, and is no mistake.
func TestShippedProfileStandsInASite(t *testing.T) {
	const site = "[[server]]\nname = \"cas1\"\naddress = \"192.0.2.1\"\n[[pool]]\nname = \"cas\"\nservers = [\"cas1\"]\n" +
		"[[vip]]\nname = \"mail\"\ntype = \"http\"\nlisten = [\"127.0.0.1:80\"]\nprofiles = [\"owa\", \"ews\", \"oab\", \"mapi\"]\npool = \"cas\"\n"
	plain, _, err := Parse("casbah.toml", []byte(site))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range plain.Profiles {
		text, err := ShippedProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := Parse("casbah.toml", []byte(site+text))
		if err != nil {
			t.Errorf("with %s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, c.Profiles[name]); diff != "" {
			t.Errorf("with %s it differs (-shipped +site):\n%s", name, diff)
		}
	}
}

// A chain that is not what ships is the site's own, and judged.
func TestChangedChainIsTheSites(t *testing.T) {
	const text = "[profile.ews]\nchain = [{ by = \"ssl_id\" }, { by = \"cookie\", name = \"exchangecookie\" }]\n"
	_, _, err := Parse("casbah.toml", []byte(strings.Replace(site, `"owa"`, `"ews"`, 1)+text))
	if err == nil || !strings.Contains(err.Error(), `got "ssl_id"`) {
		t.Errorf("Parse = %v; want ssl_id refused", err)
	}
}
