package http1

import (
	"strconv"

	"casbah/internal/httphead"
)

// forward appends the head that goes to the server to out, which is empty: the
// client's lines in their order and spelling, without those that hold for one hop
// or that only casbah may set, and with those that it sets.
func (c *Conn) forward(out []byte) []byte {
	x := c.x
	at := len(x.req.Method) + len(x.req.Target) + len("  HTTP/1.x\r\n")
	out, start := x.requestLine(out), 0
	if len(out) > 0 {
		start = at
	}
	for i := range x.req.Fields {
		line := x.req.Fields[i].Line
		if k := x.kinds[i]; k != other && !x.passes(k, i) {
			out = append(out, x.raw[start:at]...)
			if k == connection {
				out = x.hops.reduce(out, &x.req.Fields[i], x)
			}
			start = at + len(line)
		}
		at += len(line)
	}
	out = append(out, x.raw[start:at]...)
	out = c.announce(out)
	return append(out, crlf...)
}

// requestLine appends the request line if it is not forwarded as it came. A
// target in absolute form is rewritten to the path that was routed: a server
// behind a gateway is asked in origin form (RFC 9112, Section 3.2.1).
func (x *exchange) requestLine(out []byte) []byte {
	if x.req.Authority == nil {
		return out
	}
	out = append(out, x.req.Method...)
	out = append(out, ' ')
	out = append(out, x.req.Path...)
	if x.req.Query != nil {
		out = append(out, '?')
		out = append(out, x.req.Query...)
	}
	out = append(out, " HTTP/1."...)
	out = append(out, '0'+x.req.Minor)
	return append(out, crlf...)
}

// passes reports whether field i, of kind k, is forwarded as it stands.
func (x *exchange) passes(k kind, i int) bool {
	switch k {
	case forwardedFor, forwardedProto, forwardedPort, frontEndHTTPS:
		return x.trusted
	case connection:
		return x.hops.holds(x.req.Fields[i].Value, x)
	case upgrade: // of several no other: a 101 to it would make a tunnel
		return x.websocket && httphead.EqualFold(x.req.Fields[i].Value, "websocket")
	case te:
		return httphead.EqualFold(x.req.Fields[i].Value, "trailers")
	case expect:
		return !x.continued()
	case dropped, keepAlive:
		return false
	default:
		return true
	}
}

// option says whether a connection option still holds towards the server.
// Keep-alive does: casbah wants to keep each connection, and HTTP/1.0 needs it.
func (h *hops) option(elem []byte, x *exchange) bool {
	switch {
	case httphead.EqualFold(elem, "keep-alive"):
		return true
	case httphead.EqualFold(elem, "upgrade"):
		return x.websocket
	case httphead.EqualFold(elem, "te"):
		return x.trailers
	default:
		return false
	}
}

// holds reports whether every option of a Connection field still holds.
func (h *hops) holds(value []byte, x *exchange) bool {
	elem, rest := httphead.Cut(value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		if !h.option(elem, x) {
			return false
		}
	}
	return true
}

// reduce appends a Connection field with the options that still hold, or nothing.
func (h *hops) reduce(out []byte, f *httphead.Field, x *exchange) []byte {
	sep := ": "
	elem, rest := httphead.Cut(f.Value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		if !h.option(elem, x) {
			continue
		}
		if sep == ": " {
			out = append(out, f.Name...)
		}
		out = append(append(out, sep...), elem...)
		sep = ", "
	}
	if sep == ": " {
		return out
	}
	return append(out, crlf...)
}

// announce appends what casbah tells the server of the client. Behind a trusted
// proxy its peer is that proxy, whose own account of the client stays.
func (c *Conn) announce(out []byte) []byte {
	x := c.x
	out = append(out, "X-Forwarded-For: "...)
	out = c.remote.Addr().Unmap().AppendTo(out)
	if !x.trusted || !x.marked {
		if c.secure {
			out = append(out, "\r\nX-Forwarded-Proto: https"...)
		} else {
			out = append(out, "\r\nX-Forwarded-Proto: http"...)
		}
	}
	if !x.trusted || !x.ported {
		out = append(out, "\r\nX-Forwarded-Port: "...)
		out = strconv.AppendUint(out, uint64(c.local.Port()), 10)
	}
	if c.secure && x.up.endpoint.TLS == nil && (!x.trusted || !x.fronted) {
		out = append(out, "\r\nFront-End-Https: On"...)
	}
	if name := x.vip.SubjectHeader; name != "" && c.shown != nil {
		out = append(append(append(out, crlf...), name...), ": "...)
		out = appendSubject(out, c.shown.subject)
	}
	return append(out, crlf...)
}

const crlf = "\r\n"
