package node

import (
	"fmt"
	"strings"
	"time"

	"casbah/profiles"
	"casbah/tlsterm"
)

// terminate loads the certificates of the VIP and makes its TLS configuration.
func (b *builder) terminate(v *builtVIP) error {
	conf := &v.conf.TLS
	policy, err := tlsPolicy(conf.Policy, conf.MinVersion, conf.MaxVersion, conf.Ciphers)
	if err != nil {
		return fmt.Errorf("tls.%w", err)
	}
	staples := b.staples
	if !conf.OCSPStapling {
		staples = nil
	}
	if v.certs, err = tlsterm.LoadCerts(b.sources(v.conf), staples); err != nil {
		return err
	}
	v.tls = tlsterm.ServerConfig(v.certs, policy)
	if v.conf.Type != "https" {
		v.tls.NextProtos = nil // the protocol is the servers' business: a client that names imap is not refused
	}
	if v.conf.HTTP2 {
		offerHTTP2(v.tls)
	}
	if conf.ClientAuth == "off" {
		return nil
	}
	if v.asks = b.asking(conf); v.asks == nil {
		if v.asks, err = tlsterm.LoadClientAuth(conf.ClientAuth == "require", conf.ClientCA, conf.ClientCRL); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	v.asks.Apply(v.tls)
	return nil
}

// private returns the headers in which any VIP tells servers of client
// certificates, in lower case. They are dropped from what clients send on all VIPs:
// a server believes them, whichever VIP a request came by.
func (b *builder) private() []string {
	var all []string
	for i := range b.conf.VIPs {
		if h := b.conf.VIPs[i].TLS.ClientHeader; h != "" {
			all = append(all, strings.ToLower(h))
		}
	}
	return all
}

// strictTransport returns the header that tells browsers to stay with https (RFC
// 6797); empty without.
func strictTransport(conf *profiles.VIPTLS) string {
	if conf.HSTS == 0 {
		return ""
	}
	line := fmt.Sprintf("Strict-Transport-Security: max-age=%d", conf.HSTS/time.Second)
	if conf.HSTSSubdomains {
		line += "; includeSubDomains"
	}
	return line + "\r\n"
}
