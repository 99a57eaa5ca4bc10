package http1

import (
	"bytes"
	"cmp"
	"strconv"

	"casbah/engine"
	"casbah/route"
)

// retryAfter is what a client is told to wait while no server is up, in
// seconds: about the time of two probes.
const retryAfter = "10"

// refuse answers the request by casbah itself, because of what the client sent.
func (c *Conn) refuse(status int, cause route.Cause) {
	c.fail(status, cause, route.EndRefused)
}

// fail counts the cause and answers the request by casbah itself. A response
// that has begun cannot be taken back: it is cut off.
func (c *Conn) fail(status int, cause route.Cause, end route.End) {
	c.x.vip.Refuse(cause)
	c.answer(status, end)
}

// redirect sends the client from "/" to where the VIP begins, or from plain HTTP
// to https.
func (c *Conn) redirect() { c.answer(302, route.EndRefused) }

// prove tells an ACME server that the name by which it came is ours.
func (c *Conn) prove() { c.answer(200, route.EndRefused) }

// answer ends the exchange with a response of casbah's own.
func (c *Conn) answer(status int, end route.End) {
	x := c.x
	if x.status != 0 {
		c.abort(end)
		return
	}
	if x.up != nil {
		c.drop(x.up, engine.Reset)
	}
	// Whatever is not known to be a whole request closes the connection: the
	// octets behind it are no request either.
	x.closes = x.closes || c.closing || !x.parsed || !x.request.done || x.req.Minor == 0 || status == 408
	x.status = status
	if x.first == 0 {
		x.first = c.now
	}
	s := scratches.Get().(*scratch)
	s.b = x.appendAnswer(s.b[:0], status)
	c.toClient(s.b)
	s.release()
	c.finish(end)
}

// appendAnswer appends a response: short HTML for browsers, no body for other
// clients. It names nothing of what is behind casbah.
func (x *exchange) appendAnswer(out []byte, status int) []byte {
	reason := cmp.Or(x.reason, reasons[status])
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(append(out, ' '), reason...)
	out = append(append(out, crlf...), x.vip.StrictTransport...)
	out = x.appendHint(out, status)
	if x.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	if status == 200 {
		return x.appendProof(out)
	}
	if !x.wantsHTML() {
		return append(out, "Content-Length: 0\r\n\r\n"...)
	}
	const before, between, after = "<!doctype html><title>", "</title><h1>", "</h1>\n"
	out = append(out, "Content-Type: text/html\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(before)+len(between)+len(after)+2*(4+len(reason))), 10)
	out = append(out, "\r\n\r\n"...)
	out = append(out, before...)
	out = appendTitle(out, status, reason)
	out = append(out, between...)
	out = appendTitle(out, status, reason)
	return append(out, after...)
}

// appendProof appends the rest of the answer to an ACME server (RFC 8555, Section
// 8.3). It is empty if the server has seen it meanwhile.
func (x *exchange) appendProof(out []byte) []byte {
	proof := x.vip.Challenges.Find(x.req.Path)
	out = append(out, "Content-Type: application/octet-stream\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(proof)), 10)
	out = append(out, "\r\n\r\n"...)
	if string(x.req.Method) == "HEAD" {
		return out
	}
	return append(out, proof...)
}

func appendTitle(out []byte, status int, reason string) []byte {
	out = strconv.AppendInt(out, int64(status), 10)
	return append(append(out, ' '), reason...)
}

// appendHint appends the line that tells the client what to do about status.
func (x *exchange) appendHint(out []byte, status int) []byte {
	switch status {
	case 302:
		out = append(out, "Location: "...)
		if x.profile == nil {
			out = append(out, x.vip.RootRedirect...)
		} else {
			out = x.appendHTTPS(out)
		}
	case 405:
		if len(x.profile.Methods) == 0 {
			return out
		}
		out = append(out, "Allow: "...)
		for i, m := range x.profile.Methods {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(out, m...)
		}
	case 503:
		out = append(out, "Retry-After: "+retryAfter...)
	default:
		return out
	}
	return append(out, crlf...)
}

// appendHTTPS appends the URL of the request with https for its scheme: the host
// as the client has called it, and path and query as they came.
func (x *exchange) appendHTTPS(out []byte) []byte {
	host := x.host()
	if i := bytes.LastIndexByte(host, ':'); i > bytes.LastIndexByte(host, ']') {
		host = host[:i]
	}
	out = append(append(out, "https://"...), host...)
	if port := x.profile.HTTPSPort; port != 443 {
		out = strconv.AppendUint(append(out, ':'), uint64(port), 10)
	}
	out = append(out, x.req.Path...)
	if x.req.Query != nil {
		out = append(append(out, '?'), x.req.Query...)
	}
	return out
}

// wantsHTML reports whether a browser asks, and not for the head alone.
func (x *exchange) wantsHTML() bool {
	switch {
	case !x.parsed, string(x.req.Method) == "HEAD":
		return false
	case x.memory == nil:
		return x.html
	}
	accept, _ := x.req.Value("accept")
	return bytes.Contains(accept, textHTML)
}

var textHTML = []byte("text/html")

// reasons are the phrases of casbah's own answers (RFC 9110, Section 15; RFC
// 6585 for 431).
var reasons = map[int]string{
	200: "OK",
	302: "Found",
	400: "Bad Request",
	403: "HTTPS Required", // the one thing that casbah forbids
	404: "Not Found",
	405: "Method Not Allowed",
	408: "Request Timeout",
	421: "Misdirected Request",
	431: "Request Header Fields Too Large",
	502: "Bad Gateway",
	503: "Service Unavailable",
	504: "Gateway Timeout",
	505: "HTTP Version Not Supported",
}
