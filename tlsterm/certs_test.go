package tlsterm

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// rsaOnly are cipher suites that need an RSA certificate, as of a client that
// knows no ECDSA.
var rsaOnly = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}

func TestCertsByName(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	day := 24 * time.Hour
	mail := ca.Issue(t, pkitest.ECDSA(t), day, "mail.example.org", "Autodiscover.example.org")
	mailRSA := ca.Issue(t, pkitest.RSA(t), day, "mail.example.org")
	wild := ca.Issue(t, pkitest.ECDSA(t), day, "*.example.org")
	legacy := ca.Issue(t, pkitest.RSA(t), day, "legacy.example.org")
	certs := new(Certs)
	certs.Set([]*tls.Certificate{mailRSA, mail, wild, legacy}) // the default is the RSA one, with an ECDSA twin
	tests := []struct {
		name    string
		sni     string
		ciphers []uint16
		want    *tls.Certificate
	}{
		{"exact", "mail.example.org", nil, mail},
		{"second-name-any-case", "AUTODISCOVER.example.org", nil, mail},
		{"rsa-for-a-client-without-ecdsa", "mail.example.org", rsaOnly, mailRSA},
		{"exact-before-wildcard", "legacy.example.org", nil, legacy},
		{"wildcard", "imap.example.org", nil, wild},
		{"wildcard-is-one-label", "a.b.example.org", nil, mail},
		{"wildcard-is-not-the-parent", "example.org", nil, mail},
		{"no-name", "", nil, mail},
		{"no-name-without-ecdsa", "", rsaOnly, mailRSA},
		{"foreign-name", "mail.example.net", nil, mail},
		{"foreign-name-without-ecdsa", "mail.example.net", rsaOnly, mailRSA},
	}
	server := ServerConfig(certs, Policy{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := &tls.Config{ServerName: tt.sni, InsecureSkipVerify: true, CipherSuites: tt.ciphers}
			if tt.ciphers != nil {
				client.MaxVersion = tls.VersionTLS12 // in TLS 1.3 suites do not name the key
			}
			state := mustShake(t, server, client)
			if got := state.PeerCertificates[0]; !got.Equal(tt.want.Leaf) {
				t.Errorf("got the certificate for %v (%v); want %v (%v)", got.DNSNames, got.PublicKeyAlgorithm,
					tt.want.Leaf.DNSNames, tt.want.Leaf.PublicKeyAlgorithm)
			}
		})
	}
}

// A certificate of an old server may have a common name alone.
func TestCertsByCommonName(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	first := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "mail.example.org")
	old := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "old.example.org")
	leaf := *old.Leaf
	leaf.DNSNames = nil
	old.Leaf = &leaf
	certs := new(Certs)
	certs.Set([]*tls.Certificate{first, old})
	got, err := certs.Get(&tls.ClientHelloInfo{ServerName: "old.example.org"})
	if err != nil || got != old {
		t.Errorf("Get(old.example.org) = %p, %v; want %p", got, err, old)
	}
}

func TestCertsEmpty(t *testing.T) {
	certs := new(Certs)
	if _, err := certs.Get(&tls.ClientHelloInfo{ServerName: "mail.example.org"}); err == nil {
		t.Error("Get without a certificate: no error")
	}
	certs.Set(nil)
	if _, err := certs.Get(&tls.ClientHelloInfo{}); err == nil {
		t.Error("Get after Set(nil): no error")
	}
}

// Certificates change under running handshakes; each handshake gets the old or
// the new one.
func TestCertsSwapUnderUse(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	key := pkitest.ECDSA(t)
	two := []*tls.Certificate{
		ca.Issue(t, key, time.Hour, "mail.example.org"),
		ca.Issue(t, key, time.Hour, "mail.example.org"),
	}
	certs := new(Certs)
	certs.Set(two[:1])
	server := ServerConfig(certs, Policy{})
	client := &tls.Config{ServerName: "mail.example.org", RootCAs: ca.Pool()}

	stop := make(chan struct{})
	var swaps sync.WaitGroup
	swaps.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				certs.Set(two[n%2 : n%2+1])
			}
		}
	})
	for range 20 {
		mustShake(t, server, client)
	}
	close(stop)
	swaps.Wait()

	certs.Set(two[1:])
	if got := mustShake(t, server, client).PeerCertificates[0]; !got.Equal(two[1].Leaf) {
		t.Error("after the last swap the handshake showed another certificate")
	}
}

func TestValid(t *testing.T) {
	leaf := &x509.Certificate{
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
	tests := []struct {
		name string
		now  time.Time
		want string
	}{
		{"before", leaf.NotBefore.Add(-time.Second), "certificate is not valid before 2026-01-01T00:00:00Z"},
		{"first", leaf.NotBefore, ""},
		{"last", leaf.NotAfter, ""},
		{"after", leaf.NotAfter.Add(time.Second), "certificate expired on 2026-03-01T00:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := Valid(&tls.Certificate{Leaf: leaf}, tt.now); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Valid(%v) = %q; want %q", tt.now, got, tt.want)
			}
		})
	}
}
