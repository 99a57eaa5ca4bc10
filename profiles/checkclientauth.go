package profiles

import (
	"crypto/x509"
	"slices"
	"strings"
)

// clientAuth checks what a VIP asks of the certificates of its clients.
func (k *checker) clientAuth(p place, v *VIP) {
	t := &v.TLS
	if !k.choose(p.key("client_auth"), clientAuths, t.ClientAuth) {
		return
	}
	if t.ClientAuth == "off" {
		for _, key := range []string{"client_ca", "client_crl", "client_header"} {
			k.leftOut(p.key(key), `client_auth is "off"`, words(key))
		}
		return
	}
	var authorities []*x509.Certificate
	if t.ClientCA == "" {
		k.mistake(p.key("client_ca"), "a PEM file with the certificates of those who may issue a client's", nothing)
	} else {
		authorities = k.authorities(p.key("client_ca"), t.ClientCA)
	}
	if t.ClientCRL != "" {
		k.revocations(p.key("client_crl"), t.ClientCRL, authorities)
	}
	header := p.key("client_header")
	switch {
	case t.ClientHeader == "" && t.ClientAuth == "request":
		k.note(p.key("client_auth"), "nobody is told of the certificates: client_header is not set, and they are not required")
	case t.ClientHeader == "":
	case v.Type != "https":
		k.leftOut(header, "the VIP is of type "+v.Type+", whose clients send no headers", t.ClientHeader)
	case !headerName(t.ClientHeader):
		k.mistake(header, "the name of a header that nothing else uses, such as \"X-Client-Subject\"", t.ClientHeader)
	}
}

// takenHeaders mean something to HTTP, Exchange or casbah. Clients must go on
// sending them.
var takenHeaders = []string{
	"accept", "authorization", "connection", "content-length", "content-type", "cookie", "date", "expect", "forwarded",
	"front-end-https", "host", "keep-alive", "origin", "range", "referer", "te", "trailer", "transfer-encoding", "upgrade",
	"user-agent", "via",
}

// headerName reports whether a header of that name can be casbah's own. Servers that
// read headers as variables of CGI take an underscore for a hyphen: the name has none.
func headerName(name string) bool {
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	low := strings.ToLower(name)
	return len(name) <= 64 && !slices.Contains(takenHeaders, low) && !strings.HasPrefix(low, "x-forwarded-") &&
		!strings.HasPrefix(low, "proxy-") && !strings.HasPrefix(low, "sec-") && !strings.HasPrefix(low, "if-")
}
