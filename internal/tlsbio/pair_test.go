package tlsbio

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// hostname is what the certificates are for.
const hostname = "mail.example.org"

var (
	clientAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 50000}
	serverAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443}
)

// keys are what the tests sign with. Making RSA keys takes long: once.
type keys struct {
	ecdsa, rsa, client tls.Certificate
	roots              *x509.CertPool
}

var testKeys = sync.OnceValue(func() keys {
	caKey := newECDSA()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err == nil {
		ca, err = x509.ParseCertificate(der)
	}
	if err != nil {
		panic(err)
	}
	issue := func(serial int64, key crypto.Signer) tls.Certificate {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{hostname}, NotAfter: ca.NotAfter,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
		if err != nil {
			panic(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	k := keys{ecdsa: issue(2, newECDSA()), rsa: issue(3, rsaKey), client: issue(4, newECDSA()), roots: x509.NewCertPool()}
	k.roots.AddCert(ca)
	return k
})

func newECDSA() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// versions are those that a test runs with.
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// forVersions runs a test with each version.
func forVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	t.Helper()
	for _, v := range versions {
		t.Run(versionName(v), func(t *testing.T) { f(t, v) })
	}
}

func versionName(v uint16) string { return tls.VersionName(v)[len("TLS "):] }

// serverConfig speaks one version, with an ECDSA key.
func serverConfig(version uint16) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{testKeys().ecdsa}, NextProtos: []string{"http/1.1"},
		MinVersion: version, MaxVersion: version, DynamicRecordSizingDisabled: true,
	}
}

// clientConfig verifies the server, and speaks any version.
func clientConfig() *tls.Config {
	return &tls.Config{RootCAs: testKeys().roots, ServerName: hostname, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true}
}

// queue is a sink that keeps what it takes.
type queue struct{ b []byte }

func (q *queue) Sealed(p []byte) { q.b = append(q.b, p...) }

// take empties it.
func (q *queue) take() []byte {
	b := q.b
	q.b = nil
	return b
}

// pair is a client and a server of this package, and what is under way.
type pair struct {
	client, server *Conn
	up, down       queue // from the client, and from the server
}

func newPair(tb testing.TB, client, server *tls.Config) *pair {
	tb.Helper()
	p := new(pair)
	p.client = Client(client, &p.up, serverAddr, clientAddr)
	p.server = Server(server, &p.down, clientAddr, serverAddr)
	tb.Cleanup(func() {
		p.client.Close()
		p.server.Close()
	})
	return p
}

// established is a pair after its handshake.
func established(tb testing.TB, version uint16) *pair {
	tb.Helper()
	p := newPair(tb, clientConfig(), serverConfig(version))
	p.shake(tb)
	return p
}

// shakeIn runs both handshakes to their ends, octets in pieces of at most chunk.
func (p *pair) shakeIn(chunk int) error {
	for range 10 { // flights; a handshake has up to 5
		if err := deliver(&p.down, p.client, chunk); err != nil {
			return err
		}
		if err := deliver(&p.up, p.server, chunk); err != nil {
			return err
		}
		if p.client.Done() && p.server.Done() {
			return nil
		}
	}
	return errors.New("handshake does not go on")
}

func (p *pair) shake(tb testing.TB) {
	tb.Helper()
	if err := p.shakeIn(1 << 20); err != nil {
		tb.Fatal(err)
	}
}

// deliver makes a step of a handshake, and feeds what q holds, in pieces, with a
// step each. What comes after the handshake stays with the connection.
func deliver(q *queue, to *Conn, chunk int) error {
	if _, err := to.Handshake(); err != nil {
		return err
	}
	for piece := range slices.Chunk(q.take(), chunk) {
		to.Feed(piece)
		if _, err := to.Handshake(); err != nil {
			return err
		}
		to.Keep()
	}
	return nil
}

// readAll feeds what q holds and reads until an error, which it returns.
func readAll(c *Conn, q *queue) ([]byte, error) {
	c.Feed(q.take())
	var all []byte
	buf := make([]byte, 1000) // smaller than a record
	for {
		n, err := c.Read(buf)
		if err != nil {
			return all, err
		}
		all = append(all, buf[:n]...)
	}
}

// wantRead reads all that q holds and compares it.
func wantRead(tb testing.TB, c *Conn, q *queue, want string, wantErr error) {
	tb.Helper()
	got, err := readAll(c, q)
	if string(got) != want || !errors.Is(err, wantErr) {
		tb.Fatalf("read %.40q of %d octets, %v; want %.40q of %d, %v", got, len(got), err, want, len(want), wantErr)
	}
}

// write writes p and fails the test if that fails.
func write(tb testing.TB, c *Conn, p string) {
	tb.Helper()
	if err := c.Write([]byte(p)); err != nil {
		tb.Fatalf("Write: %v", err)
	}
}
