package tlsterm

import (
	"crypto/tls"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// mailServer returns certificates for mail.example.org and a client that trusts them.
func mailServer(t *testing.T) (*Certs, *tls.Config) {
	t.Helper()
	ca := pkitest.NewAuthority(t, "Test CA")
	certs := new(Certs)
	certs.Set([]*tls.Certificate{
		ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org"),
		ca.Issue(t, pkitest.RSA(t), time.Hour, "mail.example.org"),
	})
	return certs, &tls.Config{ServerName: "mail.example.org", RootCAs: ca.Pool()}
}

func TestServerVersions(t *testing.T) {
	certs, trust := mailServer(t)
	old := Policy{Min: tls.VersionTLS10}
	tests := []struct {
		name   string
		policy Policy
		client uint16 // the one version that the client speaks
		ok     bool
	}{
		{"default-1.1", Policy{}, tls.VersionTLS11, false},
		{"default-1.2", Policy{}, tls.VersionTLS12, true},
		{"default-1.3", Policy{}, tls.VersionTLS13, true},
		{"old-1.0", old, tls.VersionTLS10, true},
		{"old-1.1", old, tls.VersionTLS11, true},
		{"old-1.3", old, tls.VersionTLS13, true},
		{"min-1.3", Policy{Min: tls.VersionTLS13}, tls.VersionTLS12, false},
		{"max-1.2", Policy{Max: tls.VersionTLS12}, tls.VersionTLS13, false},
		{"max-1.2-with-1.2", Policy{Max: tls.VersionTLS12}, tls.VersionTLS12, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := trust.Clone()
			client.MinVersion, client.MaxVersion = tt.client, tt.client
			state, serverErr, clientErr := handshake(t, ServerConfig(certs, tt.policy), client)
			if ok := serverErr == nil && clientErr == nil; ok != tt.ok {
				t.Fatalf("server %v, client %v; want success %v", serverErr, clientErr, tt.ok)
			}
			if tt.ok && state.Version != tt.client {
				t.Errorf("version %s; want %s", tls.VersionName(state.Version), tls.VersionName(tt.client))
			}
		})
	}
}

func TestServerCiphers(t *testing.T) {
	certs, client := mailServer(t)
	ids, err := ParseCiphers([]string{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"})
	if err != nil {
		t.Fatal(err)
	}
	client.MaxVersion = tls.VersionTLS12
	state := mustShake(t, ServerConfig(certs, Policy{Ciphers: ids}), client)
	if state.CipherSuite != tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("cipher suite %s", tls.CipherSuiteName(state.CipherSuite))
	}
}

func TestServerProtocol(t *testing.T) {
	tests := []struct {
		name  string
		offer []string
		want  string
	}{
		{"none", nil, ""},
		{"http/1.1", []string{"http/1.1"}, "http/1.1"},
		{"http/1.0", []string{"http/1.0"}, "http/1.0"},
		{"h2-preferred", []string{"h2", "http/1.1"}, "http/1.1"},
	}
	certs, trust := mailServer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := trust.Clone()
			client.NextProtos = tt.offer
			if got := mustShake(t, ServerConfig(certs, Policy{}), client).NegotiatedProtocol; got != tt.want {
				t.Errorf("protocol %q; want %q", got, tt.want)
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	for i, name := range Versions() {
		if got, err := ParseVersion(name); err != nil || got != tls.VersionTLS10+uint16(i) {
			t.Errorf("ParseVersion(%s) = %#x, %v", name, got, err)
		}
	}
	if got, err := ParseVersion(""); got != 0 || err != nil {
		t.Errorf("ParseVersion of nothing = %#x, %v; want 0, the default", got, err)
	}
	_, err := ParseVersion("1.4")
	if want := `TLS version: want one of 1.0, 1.1, 1.2, 1.3, got "1.4"`; err == nil || err.Error() != want {
		t.Errorf("ParseVersion(1.4) = %v; want %s", err, want)
	}
}

func TestParseCiphersMistakes(t *testing.T) {
	for _, name := range []string{"RC4", "TLS_AES_128_GCM_SHA256", ""} {
		if got, err := ParseCiphers([]string{name}); err == nil {
			t.Errorf("ParseCiphers(%q) = %v; want an error", name, got)
		}
	}
	if got, err := ParseCiphers(nil); got != nil || err != nil {
		t.Errorf("ParseCiphers(nil) = %v, %v; want nil, the default", got, err)
	}
}
