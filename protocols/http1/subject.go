package http1

import (
	"crypto/x509"
	"encoding/asn1"
)

// shown is what the certificate of a client says of it.
type shown struct {
	subject string // distinguished name, in the form of RFC 4514
	account []byte // whom it is of, for persistence
}

// shownBy returns what a certificate says; nil without one.
func shownBy(c *x509.Certificate) *shown {
	if c == nil {
		return nil
	}
	s := &shown{subject: c.Subject.String()}
	s.account = []byte(s.subject)
	switch {
	case len(principal(c)) > 0:
		s.account = principal(c)
	case len(c.EmailAddresses) > 0:
		s.account = []byte(c.EmailAddresses[0])
	}
	return s
}

// What names the subject's alternatives, and of these the principal name by which
// Windows knows the account ([MS-WCCE], Section 2.2.2.7.7.4).
var (
	oidAlternatives = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidPrincipal    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// principal returns the principal name in a certificate; nil without.
func principal(c *x509.Certificate) []byte {
	for i := range c.Extensions {
		if e := &c.Extensions[i]; e.Id.Equal(oidAlternatives) {
			return principalIn(e.Value)
		}
	}
	return nil
}

// principalIn returns the principal name among the alternatives of a subject.
func principalIn(der []byte) []byte {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return nil
	}
	for _, n := range names {
		var other struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue // the name within [0]
		}
		var name asn1.RawValue
		if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
			continue // no otherName
		}
		if _, err := asn1.UnmarshalWithParams(n.FullBytes, &other, "tag:0"); err != nil || !other.Type.Equal(oidPrincipal) {
			continue
		}
		if _, err := asn1.Unmarshal(other.Value.Bytes, &name); err == nil && name.Tag == asn1.TagUTF8String {
			return name.Bytes
		}
	}
	return nil
}

// appendSubject appends a distinguished name as a header can hold it: every octet
// that is no printable ASCII stands as a backslash and two hexadecimal digits (RFC
// 4514, Section 2.4). A name with a line break in it cannot add a header.
func appendSubject(out []byte, name string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(name) {
		if b := name[i]; b < ' ' || b > '~' {
			out = append(out, '\\', digits[b>>4], digits[b&15])
		} else {
			out = append(out, b)
		}
	}
	return out
}

// private reports whether only casbah may send a header of that name to servers. An
// underscore counts as a hyphen: behind CGI both read the same.
func (x *exchange) private(name []byte) bool {
	for _, own := range x.vip.Private {
		if len(name) == len(own) && loose(name, own, dropped) == dropped {
			return true
		}
	}
	return false
}
