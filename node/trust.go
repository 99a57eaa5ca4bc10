package node

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"

	"casbah/profiles"
	"casbah/tlsterm"
)

// trustKey is all that makes the TLS of two pools the same, and the same over a
// reload.
type trustKey struct{ pool, tls string }

// upstreamTLS returns how casbah speaks TLS to the server at target.
func (b *builder) upstreamTLS(pool *profiles.Pool, target string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	trust, err := b.trust(pool)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return trust.Config(cmp.Or(pool.TLS.ServerName, host))
}

// trust returns what the servers of a pool have in common. One that is in force
// already is used again: its endpoints refer to it.
func (b *builder) trust(pool *profiles.Pool) (*tlsterm.Trust, error) {
	conf := &pool.TLS
	key := trustKey{pool.Name, fmt.Sprint(*conf)}
	t := cmp.Or(b.out.trusts[key], b.trusts[key])
	if t == nil {
		policy, err := tlsPolicy(conf.Policy, conf.MinVersion, conf.MaxVersion, conf.Ciphers)
		if err != nil {
			return nil, err
		}
		t, err = tlsterm.LoadTrust(tlsterm.Upstream{
			SkipVerify: !conf.Verify,
			CA:         conf.CA,
			Pins:       conf.Pins(),
			Policy:     policy,
			OldServers: conf.Policy == tlsterm.Legacy,
			Client:     tlsterm.Files{Cert: conf.ClientCert, Key: conf.ClientKey, Passphrase: conf.ClientPassphraseFile},
		})
		if err != nil {
			return nil, err
		}
	}
	b.out.trusts[key] = t
	return t, nil
}

// tlsPolicy returns the run-time form of what a VIP or pool speaks.
func tlsPolicy(name, least, most string, ciphers []string) (p tlsterm.Policy, err error) {
	if p.Min, err = tlsterm.ParseVersion(least); err != nil {
		return p, fmt.Errorf("min_version: %w", err)
	}
	if p.Max, err = tlsterm.ParseVersion(most); err != nil {
		return p, fmt.Errorf("max_version: %w", err)
	}
	if len(ciphers) == 0 {
		p.Ciphers, err = tlsterm.Suites(name)
		return p, err
	}
	if p.Ciphers, err = tlsterm.ParseCiphers(ciphers); err != nil {
		return p, fmt.Errorf("ciphers: %w", err)
	}
	return p, nil
}
