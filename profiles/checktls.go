package profiles

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"
)

// renewal is how long before its end a certificate is worth a note.
const renewal = 14 * 24 * time.Hour

// vipTLS checks certificates and TLS settings against the VIP's type. What VIPs
// of other types need is for the version that has them.
func (k *checker) vipTLS(p place, v *VIP) {
	switch v.Type {
	case "http", "tcp", "udp", bridge:
		k.leftOut(p.key("certificate"), "the VIP is of type "+v.Type, words("[[vip.certificate]]"))
		k.leftOut(p.key("tls"), "the VIP is of type "+v.Type, words("[vip.tls]"))
	case "https", terminated:
		if len(v.Certificates) == 0 {
			k.mistake(p.key("certificate"), "at least one [[vip.certificate]]", nothing)
		}
		var leaves []*x509.Certificate
		for i := range v.Certificates {
			if leaf := k.certificate(p.key("certificate").item(i, ""), &v.Certificates[i]); leaf != nil {
				leaves = append(leaves, leaf)
			}
		}
		if len(leaves) == len(v.Certificates) {
			k.covered(p.key("hosts"), v.Hosts, leaves)
		}
		k.versions(p.key("tls"), &v.TLS)
	}
}

func (k *checker) certificate(p place, c *Certificate) *x509.Certificate {
	cert, key := p.key("cert"), p.key("key")
	if c.Cert == "" {
		k.mistake(cert, "a PEM file with a certificate", nothing)
	}
	if c.Key == "" {
		k.mistake(key, "a PEM file with a private key", nothing)
	}
	if c.Cert == "" || c.Key == "" {
		return nil
	}
	leaf := k.pair(cert, c.Cert, key, c.Key)
	switch {
	case leaf == nil:
	case k.now.After(leaf.NotAfter):
		k.note(cert, "expired on %s", leaf.NotAfter.Format(time.DateOnly))
	case k.now.Before(leaf.NotBefore):
		k.note(cert, "not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	case k.now.Add(renewal).After(leaf.NotAfter):
		k.note(cert, "expires on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	return leaf
}

// covered notes hosts that no certificate names.
func (k *checker) covered(p place, hosts []string, leaves []*x509.Certificate) {
	for i, h := range hosts {
		if !slices.ContainsFunc(leaves, func(c *x509.Certificate) bool { return c.VerifyHostname(h) == nil }) {
			k.note(p.value(i), "no certificate of this VIP names %s", h)
		}
	}
}

func (k *checker) versions(p place, t *VIPTLS) {
	least, most := p.key("min_version"), p.key("max_version")
	if !k.choose(least, tlsVersions, t.MinVersion) || !k.choose(most, tlsVersions, t.MaxVersion) {
		return
	}
	if t.MinVersion > t.MaxVersion {
		at := least
		if !k.written(at) {
			at = most
		}
		k.mistake(at, "min_version not above max_version", words(t.MinVersion+" and "+t.MaxVersion))
	}
	if t.MinVersion < "1.2" {
		k.note(least, "TLS %s is broken; allow it for clients that have nothing newer", t.MinVersion)
	}
	k.ciphers(p.key("ciphers"), t)
}

func (k *checker) ciphers(p place, t *VIPTLS) {
	suites := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for i, name := range t.Ciphers {
		at := slices.IndexFunc(suites, func(s *tls.CipherSuite) bool { return s.Name == name })
		switch {
		case at < 0:
			k.mistake(p.value(i), "the IANA name of a suite such as \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"", name)
		case slices.Equal(suites[at].SupportedVersions, []uint16{tls.VersionTLS13}):
			k.mistake(p.value(i), "a suite of TLS 1.2 or older (those of TLS 1.3 are fixed)", name)
		case suites[at].Insecure:
			k.note(p.value(i), "%s is not safe; allow it for clients that have nothing newer", name)
		}
	}
	if len(t.Ciphers) > 0 && t.MinVersion == "1.3" {
		k.note(p, "has no effect: the suites of TLS 1.3 are fixed")
	}
}
