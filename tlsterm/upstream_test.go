package tlsterm

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// clientConfig is the configuration of connections to one server.
func clientConfig(name string, u Upstream) (*tls.Config, error) {
	trust, err := LoadTrust(u)
	if err != nil {
		return nil, err
	}
	return trust.Config(name)
}

// shows is the configuration of a server that shows a certificate.
func shows(cert *tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*cert}}
}

func pin(c *x509.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}

func TestUpstreamVerification(t *testing.T) {
	ca, other := pkitest.NewAuthority(t, "Test CA"), pkitest.NewAuthority(t, "Other CA")
	caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(other.Cert), pkitest.CertBlock(ca.Cert)) // two are trusted
	otherFile := pkitest.Write(t, "other.pem", pkitest.CertBlock(other.Cert))
	key := pkitest.ECDSA(t)
	cas1 := ca.Issue(t, key, time.Hour, "cas1.example.org", "192.0.2.11")
	again := ca.Issue(t, key, time.Hour, "cas1.example.org", "192.0.2.11")
	expired := ca.Issue(t, key, -time.Minute, "cas1.example.org")
	pins := [][]byte{pin(again.Leaf), pin(cas1.Leaf)}
	tests := []struct {
		name   string
		shows  *tls.Certificate
		server string
		u      Upstream
		want   []string // in the error; none: success
	}{
		{"good", cas1, "cas1.example.org", Upstream{CA: caFile}, nil},
		{"good-by-address", cas1, "192.0.2.11", Upstream{CA: caFile}, nil},
		{"wrong-name", cas1, "cas2.example.org", Upstream{CA: caFile}, []string{"cas1.example.org", "not cas2.example.org"}},
		{"wrong-address", cas1, "192.0.2.12", Upstream{CA: caFile}, []string{"192.0.2.11", "not 192.0.2.12"}},
		{"unknown-authority", cas1, "cas1.example.org", Upstream{CA: otherFile}, []string{"certificate signed by unknown authority"}},
		{"not-of-the-system", cas1, "cas1.example.org", Upstream{}, []string{"certificate signed by unknown authority"}},
		{"expired", expired, "cas1.example.org", Upstream{CA: caFile}, []string{"certificate has expired or is not yet valid"}},
		{"expired-but-skipped", expired, "", Upstream{SkipVerify: true}, nil},
		{"wrong-name-but-skipped", cas1, "cas2.example.org", Upstream{SkipVerify: true}, nil},
		{"pinned", cas1, "", Upstream{Pins: pins}, nil},
		{"pinned-whatever-it-says", expired, "cas9.example.org", Upstream{Pins: [][]byte{pin(expired.Leaf)}}, nil},
		{"not-the-pinned", cas1, "cas1.example.org", Upstream{Pins: pins[:1]}, []string{"not the pinned one: its SHA-256 is " + Fingerprint(cas1.Leaf)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, err := clientConfig(tt.server, tt.u)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = handshake(t, shows(tt.shows), client)
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

// Exchange 2010 on Windows 2008 R2 speaks TLS 1.0, and of the rest what is oldest.
func TestUpstreamOldServers(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	cas1 := ca.Issue(t, pkitest.RSA(t), time.Hour, "cas1.example.org")
	suites, err := Suites(Legacy)
	if err != nil {
		t.Fatal(err)
	}
	caFile := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
	legacy := Upstream{CA: caFile, Policy: Policy{Min: tls.VersionTLS10, Ciphers: suites}, OldServers: true}
	for _, tt := range []struct {
		name   string
		u      Upstream
		suites []uint16 // of the server, which speaks TLS 1.0
		ok     bool
	}{
		{"default", Upstream{CA: caFile}, nil, false},
		{"tls-1.0", Upstream{CA: caFile, Policy: Policy{Min: tls.VersionTLS10}}, nil, true},
		{"rsa-key-exchange-unless-named", Upstream{CA: caFile, Policy: Policy{Min: tls.VersionTLS10}}, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, false},
		{"rsa-key-exchange", legacy, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, true},
		{"3des", legacy, []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, true},
		{"rc4", legacy, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, err := clientConfig("cas1.example.org", tt.u)
			if err != nil {
				t.Fatal(err)
			}
			old := shows(cas1)
			old.MinVersion, old.MaxVersion, old.CipherSuites = tls.VersionTLS10, tls.VersionTLS10, tt.suites
			if _, _, err := handshake(t, old, client); (err == nil) != tt.ok {
				t.Errorf("handshake with an old server: %v; want success %v", err, tt.ok)
			}
		})
	}
}

// The hello that old servers get is one that they take: short, and without what came
// after their time.
func TestUpstreamShortHello(t *testing.T) {
	for _, tt := range []struct {
		name string
		old  bool
	}{{"today", false}, {"old", true}} {
		t.Run(tt.name, func(t *testing.T) {
			client, err := clientConfig("cas1.example.org", Upstream{SkipVerify: true, OldServers: tt.old})
			if err != nil {
				t.Fatal(err)
			}
			var curves []tls.CurveID
			server := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				curves = h.SupportedCurves
				return nil, nil
			}}
			_, _, _ = handshake(t, server, client)
			long := false
			for _, c := range curves {
				long = long || c == tls.X25519MLKEM768
			}
			if long == tt.old || len(curves) == 0 {
				t.Errorf("the hello names the key exchanges %v", curves)
			}
		})
	}
}

func TestUpstreamShowsClientCertificate(t *testing.T) {
	ca, key := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	certFile := pkitest.Write(t, "client.pem", pkitest.CertBlock(ca.Issue(t, key, time.Hour, "casbah.example.org").Leaf))
	trust, err := LoadTrust(Upstream{
		CA:     pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert)),
		Client: Files{Cert: certFile, Key: pkitest.Write(t, "client.key", pkitest.KeyBlock(t, key))},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"casbah.example.org", "renewed.example.org"} {
		var shown []*x509.Certificate
		server := shows(ca.Issue(t, pkitest.ECDSA(t), time.Hour, "cas1.example.org"))
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
		server.VerifyConnection = func(s tls.ConnectionState) error {
			shown = s.PeerCertificates
			return nil
		}
		client, err := trust.Config("cas1.example.org")
		if err != nil {
			t.Fatal(err)
		}
		mustShake(t, server, client)
		if len(shown) != 1 || shown[0].DNSNames[0] != want {
			t.Errorf("the server saw %v; want %s", shown, want)
		}
		pkitest.Replace(t, certFile, pkitest.CertBlock(ca.Issue(t, key, time.Hour, "renewed.example.org").Leaf))
		if changes := trust.Refresh(time.Now()); len(changes) != 1 || changes[0].Err != nil {
			t.Errorf("Refresh() = %v; want the new certificate", changes)
		}
	}
}

// Sessions are resumed, and only where the server would be trusted now: an authority
// that is taken out of the file ends them.
func TestUpstreamResumesWhatIsTrusted(t *testing.T) {
	ca, other := pkitest.NewAuthority(t, "Test CA"), pkitest.NewAuthority(t, "Other CA")
	file := pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert))
	trust, err := LoadTrust(Upstream{CA: file})
	if err != nil {
		t.Fatal(err)
	}
	client, err := trust.Config("cas1.example.org")
	if err != nil {
		t.Fatal(err)
	}
	server := shows(ca.Issue(t, pkitest.ECDSA(t), time.Hour, "cas1.example.org"))
	for n, want := range []bool{false, true, true} {
		if got := mustShake(t, server, client).DidResume; got != want {
			t.Errorf("connection %d: resumed %v; want %v", n+1, got, want)
		}
	}
	pkitest.Replace(t, file, pkitest.CertBlock(other.Cert), pkitest.CertBlock(ca.Cert))
	if changes := trust.Refresh(time.Now()); len(changes) != 1 || changes[0].Err != nil || changes[0].Text != "in force, with 2 authorities" {
		t.Errorf("Refresh() = %v; want two authorities", changes)
	}
	mustShake(t, server, client)
	pkitest.Replace(t, file, pkitest.CertBlock(other.Cert))
	trust.Refresh(time.Now())
	if _, _, err := handshake(t, server, client); err == nil {
		t.Error("a server whose authority is trusted no more is")
	}
	pkitest.Replace(t, file, pkitest.KeyBlock(t, pkitest.ECDSA(t)))
	if changes := trust.Refresh(time.Now()); len(changes) != 1 || changes[0].Err == nil {
		t.Errorf("Refresh() = %v; want a refusal", changes)
	}
	if changes := trust.Refresh(time.Now()); changes != nil {
		t.Errorf("Refresh() = %v; want that it is told once", changes)
	}
	mustShake(t, shows(other.Issue(t, pkitest.ECDSA(t), time.Hour, "cas1.example.org")), client)
}

// Who has replaced the certificates of the servers, and then takes the old authority
// out of the file, loses no connection by sessions that began before.
func TestUpstreamAuthorityIsReplaced(t *testing.T) {
	before, now := pkitest.NewAuthority(t, "Old CA"), pkitest.NewAuthority(t, "New CA")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		file := pkitest.Write(t, "ca.pem", pkitest.CertBlock(before.Cert), pkitest.CertBlock(now.Cert))
		trust, err := LoadTrust(Upstream{CA: file, Policy: Policy{Max: version}})
		if err != nil {
			t.Fatal(err)
		}
		client, err := trust.Config("cas1.example.org")
		if err != nil {
			t.Fatal(err)
		}
		server := shows(before.Issue(t, pkitest.ECDSA(t), time.Hour, "cas1.example.org"))
		server.SetSessionTicketKeys([][32]byte{{1}})
		for _, resumed := range []bool{false, true} {
			if s := mustShake(t, server, client); s.DidResume != resumed {
				t.Errorf("%s: resumed %v; want %v", tls.VersionName(version), s.DidResume, resumed)
			}
		}
		server.Certificates = shows(now.Issue(t, pkitest.ECDSA(t), time.Hour, "cas1.example.org")).Certificates
		if !mustShake(t, server, client).DidResume {
			t.Errorf("%s: the session has ended with the certificate", tls.VersionName(version))
		}
		pkitest.Replace(t, file, pkitest.CertBlock(now.Cert))
		trust.Refresh(time.Now())
		for _, resumed := range []bool{false, true} {
			s, _, err := handshake(t, server, client)
			if err != nil || s.DidResume != resumed {
				t.Errorf("%s: without the old authority: %v, resumed %v; want %v", tls.VersionName(version), err, s.DidResume, resumed)
			}
		}
	}
}

func TestLoadTrustMistakes(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	cert := pkitest.Write(t, "client.pem", pkitest.CertBlock(ca.Cert))
	keyFile := pkitest.Write(t, "ca.key", pkitest.KeyBlock(t, pkitest.ECDSA(t)))
	tests := []struct {
		name string
		host string
		u    Upstream
		want string
	}{
		{"no-name", "", Upstream{}, "server name: want the name in the server's certificate, got none"},
		{"no-ca-file", "a", Upstream{CA: "/nonexistent/ca.pem"}, "ca: want a file that can be read, got /nonexistent/ca.pem: no such file or directory"},
		{"no-ca-in-file", "a", Upstream{CA: keyFile}, "ca: want a PEM file with a certificate, got " + keyFile + ", which holds none"},
		{
			"no-client-key", "a",
			Upstream{Client: Files{Cert: cert, Key: "/nonexistent/key.pem"}},
			"client key: want a file that can be read, got /nonexistent/key.pem: no such file or directory",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := clientConfig(tt.host, tt.u); err == nil || err.Error() != tt.want {
				t.Errorf("clientConfig = %v; want %s", err, tt.want)
			}
		})
	}
}
