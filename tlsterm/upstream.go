package tlsterm

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// sessions is how many sessions one upstream config remembers for resumption.
const sessions = 64

// Upstream says how casbah speaks TLS to a server.
type Upstream struct {
	ServerName            string // name or address in the server's certificate, sent as SNI if a name
	SkipVerify            bool   // any certificate will do
	CA                    string // PEM file of the authorities to trust; empty: those of the system
	MinVersion            uint16 // 0: TLS 1.2
	ClientCert, ClientKey string // PEM files; empty: none is shown
}

// ClientConfig returns the configuration of connections to one server. Each
// server needs its own: sessions are remembered by name, and a ticket of one
// server is of no use to another that goes by the same name.
func ClientConfig(u Upstream) (*tls.Config, error) {
	if u.ServerName == "" && !u.SkipVerify {
		return nil, errors.New("server name: want the name in the server's certificate, got none")
	}
	c := &tls.Config{
		ServerName: u.ServerName,
		//nolint:gosec // G402: what the operator wrote; the default verifies
		InsecureSkipVerify: u.SkipVerify,
		MinVersion:         cmp.Or(u.MinVersion, tls.VersionTLS12),
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		// As in ServerConfig: full records from the first.
		DynamicRecordSizingDisabled: true,
	}
	if u.CA != "" {
		chain, err := loadChain(u.CA)
		if err != nil {
			return nil, fmt.Errorf("ca %s: %w", u.CA, err)
		}
		c.RootCAs = x509.NewCertPool()
		for _, ca := range chain {
			c.RootCAs.AddCert(ca)
		}
	}
	if u.ClientCert != "" {
		pair, err := LoadPair(u.ClientCert, u.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("client %w", err)
		}
		c.Certificates = []tls.Certificate{*pair}
	}
	return c, nil
}
