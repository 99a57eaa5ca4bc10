package lab

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"testing"
)

func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second replaces the first
		cert, key, err := Certificate(dir, "mail.example.org", "192.0.2.10")
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key: %v, %v; want mode 0600", info.Mode(), err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(pair.Leaf)
		for _, name := range []string{"localhost", "127.0.0.1", "::1", "cas1.lab.test", "mail.example.org", "192.0.2.10"} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, _, err := Certificate(dir + "/none"); err == nil {
		t.Error("a directory that does not exist took a certificate")
	}
}

// Over TLS the CAS is the same, identity and faults included.
func TestTLS(t *testing.T) {
	a := newArray(t, Options{Servers: 2, TLS: true})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("no certificate")
	}
	b := windows(t)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	s := a.CAS(1)
	b.Transport = ntlmOver(transport)
	got := b.send("GET", "https://"+s.TLSAddr()+ewsPath, "", "Authorization", basicAuth("bob", "Secret2"))
	if got.StatusCode != 200 || got.Header.Get("X-Lab-User") != "bob" || got.ProtoMajor != 1 {
		t.Errorf("= %s %d as %q", got.Proto, got.StatusCode, got.Header.Get("X-Lab-User"))
	}
	if err := s.Fault("ews", ResetAfter(10)); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+s.TLSAddr()+ewsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := transport.RoundTrip(r); err == nil {
		resp.Body.Close()
		t.Error("the answer was not cut")
	}
}
