package tlsterm

import (
	"cmp"
	"crypto/tls"
)

// Policy says which TLS a VIP speaks. The zero value is TLS 1.2 and 1.3 with
// the cipher suites of crypto/tls.
type Policy struct {
	Min, Max uint16   // versions; 0: TLS 1.2, and the newest
	Ciphers  []uint16 // for TLS 1.2 and older; nil: those of crypto/tls
}

// ServerConfig returns the configuration of a VIP that terminates TLS for HTTP.
// Certs may change while it is in use. Session tickets are on, under keys that
// the config makes by itself; TicketKeys.Sessions gives it lasting ones.
func ServerConfig(certs *Certs, p Policy) *tls.Config {
	return &tls.Config{
		GetCertificate: certs.Get,
		MinVersion:     cmp.Or(p.Min, tls.VersionTLS12),
		MaxVersion:     p.Max,
		CipherSuites:   p.Ciphers,
		NextProtos:     []string{"http/1.1", "http/1.0"}, // curl --http1.0 offers the latter alone
		// Small first records help a browser to render early, at the price of
		// many more records, each with its own seal and header, in every answer.
		DynamicRecordSizingDisabled: true,
	}
}
