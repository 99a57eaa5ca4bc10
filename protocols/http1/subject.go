package http1

import "crypto/x509"

// subjectOf returns the distinguished name of a certificate in the form of RFC 4514;
// empty without one.
func subjectOf(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return c.Subject.String()
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
