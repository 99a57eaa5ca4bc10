package lab

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestConfigIsTOML(t *testing.T) {
	a := newArray(t, Options{Servers: 2, TLS: true, Mail: true})
	var got struct {
		Preset   string
		StateDir string `toml:"state_dir"`
		Admin    struct{ Listen string }
		Server   []struct{ Name, Address, FQDN string }
		Profile  map[string]struct {
			Probe     struct{ Path string }
			DeepProbe struct {
				User, Interval string
				PasswordFile   string `toml:"password_file"`
			} `toml:"deep_probe"`
		}
		Pool []struct {
			Name        string
			Servers     []string
			Algorithm   string
			UpstreamTLS string `toml:"upstream_tls"`
			TLS         struct {
				CA         string
				ServerName string `toml:"server_name"`
			}
		}
		VIP []struct {
			Name, Type, Pool string
			Listen, Profiles []string
			AcceptSNAT       bool `toml:"accept_snat"`
			Certificate      []struct{ Cert, Key string }
		}
	}
	text := a.Config(Front{
		HTTP: "127.0.0.1:8080", HTTPS: "127.0.0.1:8443", Admin: "127.0.0.1:8404",
		POP3: "127.0.0.1:8110", IMAP4: "127.0.0.1:8143", SMTP: "127.0.0.1:8025",
		Cert: `C:\lab.pem`, Key: `a "key"`, StateDir: "/var/lib/x", UpstreamCA: "ca.pem", ProbeWords: "probe.words",
	})
	meta, err := toml.Decode(text, &got)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if unknown := meta.Undecoded(); len(unknown) != 0 {
		t.Errorf("keys %v", unknown)
	}
	if len(got.Server) != 8 || got.Server[1].Name != "cas2" || got.Server[1].Address != a.CAS(1).TLSAddr() {
		t.Errorf("servers %+v", got.Server)
	}
	if s, v := got.Server[3], got.VIP[0]; s.Name != "cas2-pop3" || s.Address != a.CAS(1).MailAddr("pop3", false) ||
		v.Name != "pop3" || v.Type != "tcp" || v.Listen[0] != "127.0.0.1:8110" || v.Profiles[0] != "pop3" || got.Pool[1].Servers[1] != s.Name {
		t.Errorf("mail: server %+v, VIP %+v, pool %+v", s, v, got.Pool[1])
	}
	if v := got.VIP[2]; v.Name != "smtp" || !v.AcceptSNAT || got.VIP[0].AcceptSNAT || got.Server[7].Address != a.CAS(1).MailAddr("smtp", false) {
		t.Errorf("mail: server %+v, VIP %+v", got.Server[7], v)
	}
	if v := got.VIP[1]; v.Name != "imap4" || v.Listen[0] != "127.0.0.1:8143" || got.Server[5].Address != a.CAS(1).MailAddr("imap4", false) {
		t.Errorf("mail: server %+v, VIP %+v", got.Server[5], v)
	}
	got.VIP = got.VIP[3:]
	if len(got.VIP) != 2 || got.VIP[1].Certificate[0].Cert != `C:\lab.pem` || got.VIP[1].Certificate[0].Key != `a "key"` ||
		len(got.VIP[0].Profiles) != len(a.CAS(0).Directories()) || got.VIP[0].Listen[0] != "127.0.0.1:8080" {
		t.Errorf("VIPs %+v", got.VIP)
	}
	if p := got.Pool[0]; p.UpstreamTLS != "on" || p.TLS.CA != "ca.pem" || len(p.Servers) != 2 {
		t.Errorf("pool %+v", p)
	}
	if p := got.Profile["eas"]; p.Probe.Path != "/Microsoft-Server-ActiveSync/healthcheck.htm" || p.DeepProbe.User != `LAB\probe` ||
		p.DeepProbe.PasswordFile != "probe.words" || got.Profile["imap4"].DeepProbe.User == "" || got.Server[1].FQDN != "CAS2.lab.test" {
		t.Errorf("probes %+v, servers %+v", got.Profile, got.Server[:2])
	}
	plain := a.Config(Front{HTTP: "127.0.0.1:8080"})
	if !strings.Contains(plain, a.CAS(0).Addr()) || strings.Contains(plain, "upstream_tls") || strings.Contains(plain, "https") {
		t.Errorf("offloaded:\n%s", plain)
	}
}

func TestGuideNamesWhereThingsAre(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	full := a.Guide(Front{HTTPS: "127.0.0.1:8443", Admin: "127.0.0.1:8404", Control: "127.0.0.1:8405", Cert: "lab.pem"})
	for _, want := range []string{"https://127.0.0.1:8443/owa/", "http://127.0.0.1:8404/", "http://127.0.0.1:8405/cas1/stop", "--cacert lab.pem"} {
		if !strings.Contains(full, want) {
			t.Errorf("guide lacks %q:\n%s", want, full)
		}
	}
	if bare := a.Guide(Front{HTTP: "127.0.0.1:8080"}); strings.Contains(bare, "https") || strings.Contains(bare, "cacert") || strings.Contains(bare, "/cas1/stop") {
		t.Errorf("guide names what is not there:\n%s", bare)
	}
}
