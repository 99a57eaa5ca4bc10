package tlsterm

import (
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"casbah/internal/tlsid"
)

// ChallengeProtocol is what an ACME server names in a handshake by which it finds
// out whether a name is ours (RFC 8737).
const ChallengeProtocol = "acme-tls/1"

// Challenges are the handshakes that an ACME server may begin now, on any VIP that
// ends TLS. The zero value has none. Handshakes read it without a lock.
type Challenges struct {
	open atomic.Pointer[map[string]*tls.Config] // by name in lower case; nil: none
}

// Answer has handshakes of the server's for a name show cert. It is not called
// while another Answer or Clear runs.
func (c *Challenges) Answer(name string, cert *tls.Certificate) {
	next := make(map[string]*tls.Config)
	if open := c.open.Load(); open != nil {
		next = maps.Clone(*open)
	}
	next[strings.ToLower(name)] = &tls.Config{
		Certificates:           []tls.Certificate{*cert},
		NextProtos:             []string{ChallengeProtocol},
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
	}
	c.open.Store(&next)
}

// Clear ends all challenges.
func (c *Challenges) Clear() { c.open.Store(nil) }

// Config returns the configuration of a handshake of the server's; nil for all
// others, which are those of clients. Anybody may begin such a handshake, which asks
// for no certificate: the connection, a tlsid.Carrier, is told to end behind it.
func (c *Challenges) Config(hello *tls.ClientHelloInfo) *tls.Config {
	open := c.open.Load()
	if open == nil || !slices.Equal(hello.SupportedProtos, []string{ChallengeProtocol}) {
		return nil // common case
	}
	conf := (*open)[strings.ToLower(hello.ServerName)]
	below, ok := hello.Conn.(tlsid.Carrier)
	if conf == nil || !ok {
		return nil
	}
	below.TLSNote().End()
	return conf
}
