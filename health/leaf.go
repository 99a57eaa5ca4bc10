package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"casbah/balance"
)

// errPlain is a mistake of who asks a plain endpoint for its certificate.
var errPlain = errors.New("the server is reached without TLS")

// Leaf returns the certificate that the server shows to casbah, whether or not it
// is to be trusted: that is for probes to find out. The handshake is a full one,
// since a session that is resumed has the certificate that it began with.
func Leaf(ctx context.Context, e *balance.Endpoint) (*x509.Certificate, error) {
	if e.TLS == nil {
		return nil, errPlain
	}
	plain := &balance.Endpoint{Name: e.Name, ProxyProtocol: e.ProxyProtocol}
	if at, ok := e.Addr(); ok {
		plain.SetAddr(at)
	}
	conn, release, err := dial(ctx, plain)
	if err != nil {
		return nil, err
	}
	defer release()
	t := e.TLS.Clone()
	t.ClientSessionCache = nil
	t.InsecureSkipVerify = true // nothing is said to the server but hello
	var leaf *x509.Certificate
	t.VerifyConnection = func(s tls.ConnectionState) error {
		leaf = s.PeerCertificates[0]
		return nil
	}
	t.VerifyPeerCertificate = nil
	// A server may refuse casbah after that, as one that wants a certificate of it.
	if _, err := handshake(ctx, conn, t); err != nil && leaf == nil {
		return nil, err
	}
	if leaf == nil {
		return nil, fmt.Errorf("TLS: %w", errors.New("the server has no certificate"))
	}
	return leaf, nil
}
