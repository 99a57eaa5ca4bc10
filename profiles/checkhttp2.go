package profiles

import (
	"crypto/tls"
	"slices"
	"strconv"
	"strings"
)

// boundAuth are the ways to log in that hold for a connection of HTTP/1.1: HTTP/2
// does not carry them (RFC 4559, Section 6).
var boundAuth = []string{"ntlm", "negotiate"}

// bound returns those of the profile's ways to log in that HTTP/2 does not carry,
// and the others.
func (pr *Profile) bound() (bound, free []string) {
	for _, scheme := range pr.Auth {
		if slices.Contains(boundAuth, scheme) {
			bound = append(bound, scheme)
		} else {
			free = append(free, scheme)
		}
	}
	return bound, free
}

// http2 checks whether a VIP can offer it.
func (k *checker) http2(p place, v *VIP) {
	if v.Type != "https" {
		if v.HTTP2 {
			k.mistake(p.key("http2"), "this key left out, or false (the VIP is of type "+v.Type+")", true)
		}
		return
	}
	if !v.HTTP2 {
		return
	}
	if most := v.TLS.MaxVersion; most == "1.0" || most == "1.1" {
		k.mistake(p.key("tls").key("max_version"), "1.2 or newer, as the VIP has http2 = true", most)
	}
	if len(v.TLS.Ciphers) > 0 && !slices.ContainsFunc(v.TLS.Ciphers, carriesHTTP2) && v.TLS.MinVersion != newest {
		k.mistake(p.key("tls").key("ciphers"), "one of "+strings.Join(http2Suites, ", ")+" among them, as the VIP has http2 = true", words("none of them"))
	}
	for i, name := range v.Profiles {
		if pr := k.c.Profiles[name]; pr != nil && pr.Protocol == "http" {
			k.streams(p.key("profiles").value(i), pr)
		}
	}
}

// http2Suites are the suites of TLS 1.2 of which HTTP/2 wants one (RFC 9113,
// Section 9.2.2).
var http2Suites = []string{
	tls.CipherSuiteName(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), tls.CipherSuiteName(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
}

func carriesHTTP2(suite string) bool { return slices.Contains(http2Suites, suite) }

// streams checks that clients of the profile can come by HTTP/2.
func (k *checker) streams(p place, pr *Profile) {
	bound, free := pr.bound()
	switch {
	case slices.Contains(pr.Methods, "RPC_IN_DATA"):
		k.mistake(p, "a profile without RPC over HTTP, which there is by HTTP/1.1 alone, as the VIP has http2 = true; give "+pr.Name+" a VIP of its own", pr.Name)
	case len(free) == 0 && len(bound) > 0:
		k.mistake(p, "a profile whose auth is not bound to the connection, as the VIP has http2 = true; give "+pr.Name+" a VIP of its own, or name in profile."+pr.Name+
			".auth how else its clients log in", words(strconv.Quote(pr.Name)+" with "+listWords(bound)+" alone"))
	case len(bound) > 0 && !slices.Contains(free, "forms"): // else nobody needs them
		k.note(p, "profile %s: clients that come by HTTP/2 are not offered %s, which HTTP/2 does not carry; what is left is %s", pr.Name, listWords(bound), listWords(free))
	}
}
