package http1

import (
	"bytes"

	"casbah/internal/httphead"
	"casbah/route"
)

// A stream is one request of a connection of HTTP/2, which this core is for. A
// login by NTLM or Negotiate belongs to a connection of HTTP/1.1 (RFC 4559,
// Section 6; [MS-NTHT], Section 3.2.5): its second step would come by another
// stream, and so to another connection of the server. Clients are not offered what
// cannot succeed, and fall back on what the server offers beside.

// noLogin is the reason of the answer to a client that is offered nothing else.
const noLogin = "This Login Needs HTTP/1.1"

// unbind takes the challenges that name an identity of a connection off the
// response, and reports whether others are left.
func (r *reply) unbind() bool {
	left := false
	for i := range r.head.Fields {
		f := &r.head.Fields[i]
		switch {
		case classify(f.Name) != wwwAuthenticate:
		case !namesIdentity(f.Value):
			left = true
		default:
			var any bool
			if r.added, any = appendUnbound(r.added, f.Value); any {
				left = true
			}
		}
	}
	r.unbound = true
	return left
}

// appendUnbound appends a field with those challenges of value that name no
// identity of a connection, if there are any.
func appendUnbound(out, value []byte) (_ []byte, any bool) {
	passes := false
	elem, rest := httphead.Cut(value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		if beginsChallenge(elem) {
			passes = !namesIdentity(elem)
		}
		switch {
		case !passes:
		case any:
			out = append(append(out, ", "...), elem...)
		default:
			out, any = append(append(out, "WWW-Authenticate: "...), elem...), true
		}
	}
	if any {
		out = append(out, crlf...)
	}
	return out, any
}

// beginsChallenge reports whether an element of a list of challenges begins with a
// scheme. Else it is a parameter of the challenge before it (RFC 9110, Section
// 11.6.1).
func beginsChallenge(elem []byte) bool {
	n := schemeLen(elem)
	rest := bytes.TrimLeft(elem[n:], " \t")
	return n > 0 && (len(rest) == 0 || rest[0] != '=' && len(rest) < len(elem)-n)
}

// unofferable answers in the place of a server that offers nothing but logins
// which HTTP/2 does not carry.
func (c *Conn) unofferable() {
	c.x.reason = noLogin
	c.fail(502, route.CauseLogin, route.EndRefused)
}
