package tlsterm

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

func TestUpstreamVerification(t *testing.T) {
	ca, other := newAuthority(t, "Test CA"), newAuthority(t, "Other CA")
	caFile := write(t, "ca.pem", certBlock(other.cert), certBlock(ca.cert)) // two are trusted
	otherFile := write(t, "other.pem", certBlock(other.cert))
	key := newECDSA(t)
	cas1 := ca.issue(t, key, time.Hour, "cas1.example.org", "192.0.2.11")
	expired := ca.issue(t, key, -time.Minute, "cas1.example.org")
	tests := []struct {
		name  string
		shows *tls.Certificate
		u     Upstream
		want  []string // in the error; none: success
	}{
		{"good", cas1, Upstream{ServerName: "cas1.example.org", CA: caFile}, nil},
		{"good-by-address", cas1, Upstream{ServerName: "192.0.2.11", CA: caFile}, nil},
		{"wrong-name", cas1, Upstream{ServerName: "cas2.example.org", CA: caFile}, []string{"cas1.example.org", "not cas2.example.org"}},
		{"wrong-address", cas1, Upstream{ServerName: "192.0.2.12", CA: caFile}, []string{"192.0.2.11", "not 192.0.2.12"}},
		{"unknown-authority", cas1, Upstream{ServerName: "cas1.example.org", CA: otherFile}, []string{"certificate signed by unknown authority"}},
		{"not-of-the-system", cas1, Upstream{ServerName: "cas1.example.org"}, []string{"certificate signed by unknown authority"}},
		{"expired", expired, Upstream{ServerName: "cas1.example.org", CA: caFile}, []string{"certificate has expired or is not yet valid"}},
		{"expired-but-skipped", expired, Upstream{SkipVerify: true}, nil},
		{"wrong-name-but-skipped", cas1, Upstream{ServerName: "cas2.example.org", SkipVerify: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, err := ClientConfig(tt.u)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = handshake(t, &tls.Config{Certificates: []tls.Certificate{*tt.shows}}, client)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error; want %q", tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestUpstreamVersions(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	cas1 := ca.issue(t, newRSA(t), time.Hour, "cas1.example.org")
	u := Upstream{ServerName: "cas1.example.org", CA: write(t, "ca.pem", certBlock(ca.cert))}
	old := &tls.Config{Certificates: []tls.Certificate{*cas1}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	for _, tt := range []struct {
		name string
		min  uint16
		ok   bool
	}{
		{"default", 0, false},
		{"1.0", tls.VersionTLS10, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u.MinVersion = tt.min
			client, err := ClientConfig(u)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := handshake(t, old, client); (err == nil) != tt.ok {
				t.Errorf("handshake with an old server: %v; want success %v", err, tt.ok)
			}
		})
	}
}

func TestUpstreamShowsClientCertificate(t *testing.T) {
	ca, key := newAuthority(t, "Test CA"), newECDSA(t)
	client, err := ClientConfig(Upstream{
		ServerName: "cas1.example.org",
		CA:         write(t, "ca.pem", certBlock(ca.cert)),
		ClientCert: write(t, "client.pem", certBlock(ca.issue(t, key, time.Hour, "casbah.example.org").Leaf)),
		ClientKey:  write(t, "client.key", keyBlock(t, key)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var shown []*x509.Certificate
	mustShake(t, &tls.Config{
		Certificates: []tls.Certificate{*ca.issue(t, newECDSA(t), time.Hour, "cas1.example.org")},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    ca.pool(),
		VerifyConnection: func(s tls.ConnectionState) error {
			shown = s.PeerCertificates
			return nil
		},
	}, client)
	if len(shown) != 1 || shown[0].DNSNames[0] != "casbah.example.org" {
		t.Errorf("the server saw %v; want casbah.example.org", shown)
	}
}

func TestUpstreamResumes(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	client, err := ClientConfig(Upstream{ServerName: "cas1.example.org", CA: write(t, "ca.pem", certBlock(ca.cert))})
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, newECDSA(t), time.Hour, "cas1.example.org")}}
	for n, want := range []bool{false, true, true} {
		if got := mustShake(t, server, client).DidResume; got != want {
			t.Errorf("connection %d: resumed %v; want %v", n+1, got, want)
		}
	}
}

func TestClientConfigMistakes(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	cert := write(t, "client.pem", certBlock(ca.cert))
	tests := []struct {
		name string
		u    Upstream
		want string
	}{
		{"no-name", Upstream{}, "server name: want the name in the server's certificate, got none"},
		{"no-ca-file", Upstream{ServerName: "a", CA: "/nonexistent/ca.pem"}, "ca /nonexistent/ca.pem: no such file or directory"},
		{
			"no-ca-in-file",
			Upstream{ServerName: "a", CA: write(t, "ca.key", keyBlock(t, newECDSA(t)))},
			"ca PATH: want a PEM file with a CERTIFICATE block, got PRIVATE KEY",
		},
		{"no-client-key", Upstream{ServerName: "a", ClientCert: cert, ClientKey: "/nonexistent/key.pem"}, "client key /nonexistent/key.pem: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ClientConfig(tt.u)
			if want := strings.Replace(tt.want, "PATH", tt.u.CA, 1); err == nil || err.Error() != want {
				t.Errorf("ClientConfig = %v; want %s", err, want)
			}
		})
	}
}
