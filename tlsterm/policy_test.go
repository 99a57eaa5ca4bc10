package tlsterm

import (
	"crypto/tls"
	"slices"
	"testing"
)

// Every policy agrees with the clients that it is for, and with no others.
func TestPolicies(t *testing.T) {
	certs, trust := mailServer(t)
	policies := map[string]Policy{
		Modern: {Min: tls.VersionTLS13}, Intermediate: {Min: tls.VersionTLS12}, Legacy: {Min: tls.VersionTLS10},
	}
	all := []string{Modern, Intermediate, Legacy}
	tests := []struct {
		name    string
		version uint16
		suite   uint16 // the one that the client has; 0: those of crypto/tls
		takes   []string
	}{
		{"1.3", tls.VersionTLS13, 0, all},
		{"1.2", tls.VersionTLS12, 0, all[1:]},
		{"1.2-gcm-ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, all[1:]},
		{"1.2-chacha-rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, all[1:]},
		{"windows-8.1-with-rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, all[1:]},
		{"1.2-rsa-key-exchange", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, all[2:]},
		{"1.2-3des", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, all[2:]},
		{"1.1", tls.VersionTLS11, 0, all[2:]},
		{"windows-7", tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, all[2:]},
		{"1.0-rsa-key-exchange", tls.VersionTLS10, tls.TLS_RSA_WITH_AES_256_CBC_SHA, all[2:]},
		{"windows-xp", tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, all[2:]},
		{"rc4", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, nil},
		{"lucky-thirteen", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, nil},
	}
	for _, tt := range tests {
		for _, name := range all {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				policy := policies[name]
				var err error
				if policy.Ciphers, err = Suites(name); err != nil {
					t.Fatal(err)
				}
				client := trust.Clone()
				client.MinVersion, client.MaxVersion = tt.version, tt.version
				if tt.suite != 0 {
					client.CipherSuites = []uint16{tt.suite}
				}
				_, serverErr, clientErr := handshake(t, ServerConfig(certs, policy), client)
				if got, want := serverErr == nil && clientErr == nil, slices.Contains(tt.takes, name); got != want {
					t.Errorf("server %v, client %v; want success %v", serverErr, clientErr, want)
				}
			})
		}
	}
}

// The default is what crypto/tls has today, so that nothing is slower or refused
// that was not.
func TestPolicyDefault(t *testing.T) {
	for _, name := range []string{"", Intermediate, Modern} {
		if got, err := Suites(name); got != nil || err != nil {
			t.Errorf("Suites(%q) = %v, %v; want none of its own", name, got, err)
		}
	}
	if _, err := Suites("strong"); err == nil {
		t.Error("Suites(strong): no error")
	}
}
