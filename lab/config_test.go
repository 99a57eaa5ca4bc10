package lab

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestConfigIsTOML(t *testing.T) {
	a := newArray(t, Options{Servers: 2, TLS: true})
	var got struct {
		Preset   string
		StateDir string `toml:"state_dir"`
		Admin    struct{ Listen string }
		Server   []struct{ Name, Address string }
		Pool     []struct {
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
			Certificate      []struct{ Cert, Key string }
		}
	}
	text := a.Config(Front{
		HTTP: "127.0.0.1:8080", HTTPS: "127.0.0.1:8443", Admin: "127.0.0.1:8404",
		Cert: `C:\lab.pem`, Key: `a "key"`, StateDir: "/var/lib/x", UpstreamCA: "ca.pem",
	})
	meta, err := toml.Decode(text, &got)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if unknown := meta.Undecoded(); len(unknown) != 0 {
		t.Errorf("keys %v", unknown)
	}
	if len(got.Server) != 2 || got.Server[1].Name != "cas2" || got.Server[1].Address != a.CAS(1).TLSAddr() {
		t.Errorf("servers %+v", got.Server)
	}
	if len(got.VIP) != 2 || got.VIP[1].Certificate[0].Cert != `C:\lab.pem` || got.VIP[1].Certificate[0].Key != `a "key"` ||
		len(got.VIP[0].Profiles) != len(a.CAS(0).Directories()) || got.VIP[0].Listen[0] != "127.0.0.1:8080" {
		t.Errorf("VIPs %+v", got.VIP)
	}
	if p := got.Pool[0]; p.UpstreamTLS != "on" || p.TLS.CA != "ca.pem" || len(p.Servers) != 2 {
		t.Errorf("pool %+v", p)
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
