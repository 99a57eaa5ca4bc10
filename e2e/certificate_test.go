package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"

	"casbah/lab"
)

// identity is a certificate for localhost, of which everybody may be the owner.
type identity struct {
	cert, key string // files
	pair      tls.Certificate
	roots     *x509.CertPool // trusts it, and no other
}

// newIdentity makes an identity whose files are in dir.
func newIdentity(tb testing.TB, dir string) identity {
	tb.Helper()
	var id identity
	var err error
	if id.cert, id.key, err = lab.Certificate(dir); err != nil {
		tb.Fatal(err)
	}
	if id.pair, err = tls.LoadX509KeyPair(id.cert, id.key); err != nil {
		tb.Fatal(err)
	}
	pem, err := os.ReadFile(id.cert)
	if err != nil {
		tb.Fatal(err)
	}
	id.roots = x509.NewCertPool()
	if !id.roots.AppendCertsFromPEM(pem) {
		tb.Fatal("no certificate in the lab's file")
	}
	return id
}

// ofVIP gives the identity to the VIP whose table stands before.
func (id identity) ofVIP() string {
	return fmt.Sprintf("[[vip.certificate]]\ncert = %q\nkey = %q\n", id.cert, id.key)
}

// ofServer has a server show the identity.
func (id identity) ofServer() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.pair}}
}

// verified are the keys of a pool whose servers speak TLS and show a certificate
// that a file trusts.
func verified(ca string) string {
	return fmt.Sprintf("\nupstream_tls = \"on\"\n[pool.tls]\nca = %q\nserver_name = \"localhost\"\n", ca)
}
