package tlsterm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

func TestAdvise(t *testing.T) {
	ca, key := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	leaf := func(name string) *x509.Certificate { return ca.Issue(t, key, time.Hour, name).Leaf }
	vip, old := leaf("mail.example.org"), leaf("mail.example.org") // renewed on one side
	directories := []Directory{
		{"owa", ProtectionRequire, ProtectionRequire},
		{"ews", ProtectionAllow, ProtectionAllow},
		{"autodiscover", ProtectionNone, ProtectionNone},
	}
	none := []Directory{{Profile: "owa"}, {Profile: "ews"}}
	off := []Directory{{"owa", ProtectionNone, ProtectionRequire}, {"ews", ProtectionNone, ProtectionAllow}}
	same := []Answerer{{Server: "cas1", Leaf: vip}, {Server: "cas2", Leaf: vip}}
	drift := []Answerer{{Server: "cas1", Leaf: vip}, {Server: "cas2", Leaf: old}, {Server: "cas3", Err: errors.New("connect: timeout")}}
	tests := []struct {
		name        string
		way         Way
		directories []Directory
		shown       []*x509.Certificate
		servers     []Answerer
		want        []string // weight, profiles, server, and what stands in the text
	}{
		{"plain", WayPlain, directories, nil, nil, []string{
			"error owa  clients come without TLS, but the servers require Extended Protection",
			"warning ews  clients come without TLS, and the servers check",
		}},
		{"offload", WayOffload, directories, nil, nil, []string{
			"error owa  TLS ends at casbah and pool cas is reached in plain, but the servers require",
			`warning ews  set upstream_tls = "on"`,
		}},
		{"offload-that-was-allowed", WayOffload, off, nil, nil, []string{"notice owa  which works only if Extended Protection was turned off on the servers"}},
		{"offload-of-2010", WayOffload, none, nil, nil, nil},
		{"same", WayReencrypt, directories, []*x509.Certificate{vip}, same, nil},
		{"drift", WayReencrypt, directories, []*x509.Certificate{vip}, drift, []string{
			"warning owa,ews cas2 every Windows login for owa, and a Windows login that its client binds for ews is answered with 401 there",
			"notice owa,ews cas3 server cas3 has shown no certificate, so that it is not known whether bound Windows logins work there: connect: timeout",
		}},
		{"drift-that-matters-to-nobody", WayReencrypt, none, []*x509.Certificate{vip}, drift, nil},
		{"one-of-two", WayReencrypt, directories[:1], []*x509.Certificate{vip, old}, same[:1], []string{"warning owa cas1 every Windows login for owa is answered"}},
		{"passed-on", WayBridge, directories, nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Advise(&Terms{VIP: "mail", Pool: "cas", Way: tt.way, Directories: tt.directories, Shown: tt.shown, Servers: tt.servers})
			if len(got) != len(tt.want) {
				t.Fatalf("%d advices; want %d: %+v", len(got), len(tt.want), got)
			}
			for i, a := range got {
				head := a.Weight.String() + " " + strings.Join(a.Profiles, ",") + " " + a.Server + " "
				text, ok := strings.CutPrefix(tt.want[i], head)
				if !ok || !strings.Contains(a.Text, text) || a.VIP != "mail" || a.Pool != "cas" {
					t.Errorf("advice %d: %s%s; want %s", i+1, head, a.Text, tt.want[i])
				}
				if a.Shown == "" {
					continue
				}
				if a.Shown == a.Served || !strings.Contains(a.Text, a.Shown) || !strings.Contains(a.Text, a.Served) {
					t.Errorf("advice %d does not name the fingerprints %s, %s: %s", i+1, a.Shown, a.Served, a.Text)
				}
			}
		})
	}
}

func TestShown(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	mail := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org", "autodiscover.example.org")
	twin := ca.Issue(t, pkitest.RSA(t), time.Hour, "mail.example.org")
	wild := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "*.example.org")
	certs := new(Certs)
	if got := certs.Shown(nil); got != nil {
		t.Errorf("without a certificate: %d are shown", len(got))
	}
	certs.Set([]*tls.Certificate{mail, twin, wild})
	tests := []struct {
		name  string
		hosts []string
		want  []*tls.Certificate
	}{
		{"any-name", nil, []*tls.Certificate{mail, twin, wild}},
		{"twins", []string{"mail.example.org"}, []*tls.Certificate{mail, twin}},
		{"one-of-two-names", []string{"autodiscover.example.org"}, []*tls.Certificate{mail}},
		{"wildcard", []string{"legacy.example.org"}, []*tls.Certificate{wild}},
		{"several", []string{"legacy.example.org", "autodiscover.example.org", "mail.example.org"}, []*tls.Certificate{wild, mail, twin}},
		{"foreign", []string{"mail.example.net"}, []*tls.Certificate{mail}}, // the default and what shares its first name
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []*x509.Certificate
			for _, c := range tt.want {
				want = append(want, c.Leaf)
			}
			if got := certs.Shown(tt.hosts); !slices.Equal(got, want) {
				t.Errorf("%d certificates; want %d", len(got), len(want))
			}
		})
	}
}

func TestParseProtection(t *testing.T) {
	for _, p := range []Protection{ProtectionNone, ProtectionAllow, ProtectionRequire} {
		if got := ParseProtection(p.String()); got != p {
			t.Errorf("ParseProtection(%s) = %s", p, got)
		}
	}
}
