package profiles

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"casbah/internal/acmecert"
)

// mostCertNames is how many names ACME servers put into one certificate.
const mostCertNames = 100

// acmeCertificate checks a certificate that casbah is to get. What it returns
// stands for it.
func (k *checker) acmeCertificate(p place, c *Certificate) *x509.Certificate {
	for _, key := range []struct{ name, value string }{{"cert", c.Cert}, {"key", c.Key}, {"passphrase_file", c.PassphraseFile}} {
		k.leftOut(p.key(key.name), "acme is true: casbah gets the certificate, and keeps it in the state directory", key.value)
	}
	k.choose(p.key("key_type"), keyTypes, c.KeyType)
	at := p.key("names")
	switch {
	case len(c.Names) == 0:
		k.mistake(at, "the names to be in the certificate, as the VIP has no hosts", nothing)
	case len(c.Names) > mostCertNames:
		k.mistake(at, fmt.Sprintf("at most %d names", mostCertNames), len(c.Names))
	}
	if k.written(at) {
		k.acmeNames(at, c.Names)
	}
	return &x509.Certificate{DNSNames: c.Names}
}

// acmeNames checks names that an ACME server is asked for.
func (k *checker) acmeNames(p place, names []string) {
	for i, name := range names {
		_, err := netip.ParseAddr(name)
		switch {
		case strings.Contains(name, "*"):
			k.mistake(p.value(i), "a name without wildcard, which only the challenge dns-01 gives, and casbah has http-01 and tls-alpn-01; name the hosts, or use cert", name)
		case err == nil || !isServable(name):
			k.mistake(p.value(i), `a host name such as "mail.example.org"`, name)
		default:
			k.once(p.value(i), i, name, names, p.value)
		}
	}
}

// acme checks the account, if a certificate is to come by it.
func (k *checker) acme() {
	p, a := place{}.key("acme"), &k.c.ACME
	k.choose(p.key("challenge"), challenges, a.Challenge)
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		k.mistake(p.key("directory"), "the https URL of an ACME directory", a.Directory)
	}
	if a.Email != "" && (strings.Count(a.Email, "@") != 1 || strings.ContainsAny(a.Email, " ,;:<>?&")) {
		k.mistake(p.key("email"), `one address such as "postmaster@example.org"`, a.Email)
	}
	if a.CA != "" {
		k.authorities(p.key("ca"), a.CA)
	}
	k.binding(p, a)
	if !slices.ContainsFunc(k.c.VIPs, func(v VIP) bool { return v.asksACME() }) {
		return
	}
	if !a.AgreeTerms {
		k.mistake(p.key("agree_terms"), "true, which says that you agree to the terms of service of "+a.Directory, a.AgreeTerms)
	}
	k.reachable(p.key("challenge"), a.Challenge)
}

// asksACME reports whether a certificate of the VIP comes by ACME.
func (v *VIP) asksACME() bool {
	return v.EndsTLS() && slices.ContainsFunc(v.Certificates, func(c Certificate) bool { return c.ACME })
}

// binding checks what binds the account to one elsewhere.
func (k *checker) binding(p place, a *ACME) {
	id, file := p.key("eab_key_id"), p.key("eab_key_file")
	switch {
	case a.EABKeyID == "" && a.EABKeyFile == "":
	case a.EABKeyID == "":
		k.mistake(id, "the name of the key in eab_key_file, as the authority has given it", nothing)
	case a.EABKeyFile == "":
		k.mistake(file, "a file with the key of eab_key_id, as the authority has given it", nothing)
	default:
		if _, ok := k.file(file, a.EABKeyFile); !ok {
			return
		}
		k.private(file, a.EABKeyFile)
		if _, err := acmecert.BindingKey(a.EABKeyFile); err != nil {
			k.mistake(file, "a file with a key of at least 16 octets in base64", a.EABKeyFile)
		}
	}
}

// reachable checks that an ACME server can find out whose the names are. It comes
// to one port of theirs alone.
func (k *checker) reachable(p place, challenge string) {
	port, fit, who := uint16(443), []string{"https", "tls"}, "https or tls VIP"
	if challenge == challengeHTTP {
		port, fit, who = 80, []string{"http"}, "http VIP"
	}
	var first *VIP
	for i := range k.c.VIPs {
		v := &k.c.VIPs[i]
		if !slices.Contains(fit, v.Type) || len(v.Listen) == 0 {
			continue
		}
		if first == nil {
			first = v
		}
		for _, at := range v.Listen {
			if at.Port() == port {
				return
			}
		}
	}
	if first == nil {
		k.mistake(p, fmt.Sprintf("one whose port a VIP has: %s comes to port %d of the names, where an %s answers it", challenge, port, who), challenge)
		return
	}
	k.note(p, "%s comes to port %d of the names, where no %s listens: something in front of casbah must pass it on, such as to port %d of VIP %q",
		challenge, port, who, first.Listen[0].Port(), first.Name)
}
