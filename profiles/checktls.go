package profiles

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"casbah/internal/pki"
)

// vipTLS checks certificates and TLS settings against the VIP's type.
func (k *checker) vipTLS(p place, v *VIP) {
	switch why := "the VIP is of type " + v.Type; {
	case !v.EndsTLS() && vipTypes.has(v.Type):
		if v.Type == "tcp" {
			why += " without starttls"
		}
		k.leftOut(p.key("certificate"), why, words("[[vip.certificate]]"))
		k.leftOut(p.key("tls"), why, words("[vip.tls]"))
	case v.EndsTLS():
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
		at, t := p.key("tls"), &v.TLS
		k.versions(at, spoken{t.Policy, t.MinVersion, t.MaxVersion, t.Ciphers}, "clients")
		k.hsts(at, v)
		k.clientAuth(at, v)
	}
}

// certificate checks a certificate, and returns it, or what takes its place where
// it is still to come.
func (k *checker) certificate(p place, c *Certificate) *x509.Certificate {
	if c.ACME {
		return k.acmeCertificate(p, c)
	}
	for _, key := range []string{"names", "key_type"} {
		k.leftOut(p.key(key), "acme is not true: the file has them", words(key))
	}
	return k.pair([3]place{p.key("cert"), p.key("key"), p.key("passphrase_file")}, pki.Files{Cert: c.Cert, Key: c.Key, Passphrase: c.PassphraseFile})
}

// covered notes hosts that no certificate names.
func (k *checker) covered(p place, hosts []string, leaves []*x509.Certificate) {
	for i, h := range hosts {
		if !slices.ContainsFunc(leaves, func(c *x509.Certificate) bool { return c.VerifyHostname(h) == nil }) {
			k.note(p.value(i), "no certificate of this VIP names %s", h)
		}
	}
}

// spoken is what a VIP or pool speaks.
type spoken struct {
	policy, least, most string
	ciphers             []string
}

// versions checks the policy, versions and cipher suites of a VIP or a pool; peers
// says who is at the other end.
func (k *checker) versions(p place, t spoken, peers string) {
	if !k.choose(p.key("policy"), tlsPolicies, t.policy) {
		return
	}
	least, most := p.key("min_version"), p.key("max_version")
	if !k.choose(least, tlsVersions, t.least) || !k.choose(most, tlsVersions, t.most) {
		return
	}
	if t.least > t.most {
		at := least
		if !k.written(at) {
			at = most
		}
		k.mistake(at, "min_version not above max_version", words(t.least+" and "+t.most))
	}
	switch {
	case t.policy == legacy:
		k.note(p.key("policy"), "legacy allows TLS 1.0, keys without forward secrecy and 3DES, all of them broken; for %s that have nothing newer", peers)
	case t.least < "1.2":
		k.note(least, "TLS %s is broken; allow it for %s that have nothing newer", t.least, peers)
	}
	k.ciphers(p.key("ciphers"), t, peers)
}

func (k *checker) ciphers(p place, t spoken, peers string) {
	suites := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for i, name := range t.ciphers {
		at := slices.IndexFunc(suites, func(s *tls.CipherSuite) bool { return s.Name == name })
		switch {
		case at < 0:
			k.mistake(p.value(i), "the IANA name of a suite such as \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"", name)
		case slices.Equal(suites[at].SupportedVersions, []uint16{tls.VersionTLS13}):
			k.mistake(p.value(i), "a suite of TLS 1.2 or older (those of TLS 1.3 are fixed)", name)
		case suites[at].Insecure:
			k.note(p.value(i), "%s is not safe; allow it for %s that have nothing newer", name, peers)
		}
	}
	if len(t.ciphers) > 0 && t.least == newest {
		k.note(p, "has no effect: the suites of TLS 1.3 are fixed")
	}
}

// leastHSTS is how short a promise of https is worth making.
const leastHSTS = time.Minute

// hsts checks what browsers are told.
func (k *checker) hsts(p place, v *VIP) {
	if v.Type != "https" {
		k.leftOut(p.key("hsts"), "the VIP is of type "+v.Type, v.TLS.HSTS)
		k.leftOut(p.key("hsts_subdomains"), "the VIP is of type "+v.Type, v.TLS.HSTSSubdomains)
		return
	}
	k.lastsOrOff(p.key("hsts"), v.TLS.HSTS, leastHSTS, 10*365*24*time.Hour)
	if v.TLS.HSTS == 0 {
		k.leftOut(p.key("hsts_subdomains"), "hsts is not set", v.TLS.HSTSSubdomains)
	}
}
