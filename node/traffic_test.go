package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"casbah/route"
)

// Handshakes are counted once each, by version, resumed ones apart; one that the
// VIP refuses is not, and what judged it before still does.
func TestCountHandshakes(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	var refuse error
	conf := &tls.Config{
		Certificates:     []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		VerifyConnection: func(tls.ConnectionState) error { return refuse },
	}
	var h route.Handshakes
	countHandshakes(conf, &h)
	cache := tls.NewLRUClientSessionCache(1)
	shake := func(version uint16) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer a.Close()
		b, err := ln.Accept()
		if err != nil {
			return err
		}
		server := tls.Server(b, conf)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer b.Close()
			if server.Handshake() == nil {
				_, _ = server.Write([]byte{1}) // the ticket of TLS 1.3 goes before it
			}
		}()
		client := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, ClientSessionCache: cache, ServerName: "h"})
		_, err = client.Read(make([]byte, 1))
		_ = a.Close()
		<-done
		return err
	}
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS13, tls.VersionTLS12} {
		if err := shake(version); err != nil {
			t.Fatal(err)
		}
	}
	refuse = errors.New("not you")
	if err := shake(tls.VersionTLS12); err == nil {
		t.Error("a handshake that is refused came to an agreement")
	}
	want := []HandshakeStatus{{Version: "TLS 1.0"}, {Version: "TLS 1.1"}, {Version: "TLS 1.2", Full: 1}, {Version: "TLS 1.3", Full: 1, Resumed: 1}}
	for i, got := range handshakeStatus(&h) {
		if got != want[i] {
			t.Errorf("counted %+v; want %+v", got, want[i])
		}
	}
}
