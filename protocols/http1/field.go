package http1

import (
	"bytes"

	"casbah/internal/httphead"
)

// kind says what a header field is to a proxy.
type kind uint8

const (
	other kind = iota // passed on as it is
	authorization
	connection
	contentLength
	expect
	forwardedFor
	forwardedPort
	forwardedProto
	frontEndHTTPS
	strictTransport // Strict-Transport-Security
	te
	transferEncoding
	upgrade
	wwwAuthenticate
	keepAlive // Keep-Alive
	dropped   // holds for one hop, or was nominated by Connection
)

// classify returns what the field of that name is. The length tells most names
// apart. The fields that casbah sets itself are found with underscores too:
// behind CGI, X_Forwarded_For reads the same.
func classify(name []byte) kind {
	switch len(name) {
	case 2:
		return match(name, "te", te)
	case 6:
		return match(name, "expect", expect)
	case 7:
		return match(name, "upgrade", upgrade)
	case 10:
		if lower(name[0]) == 'c' {
			return match(name, "connection", connection)
		}
		return match(name, "keep-alive", keepAlive)
	case 13:
		return match(name, "authorization", authorization)
	case 14:
		if lower(name[0]) == 'h' {
			return match(name, "http2-settings", dropped)
		}
		return match(name, "content-length", contentLength)
	case 15:
		if lower(name[0]) == 'f' {
			return loose(name, "front-end-https", frontEndHTTPS)
		}
		return loose(name, "x-forwarded-for", forwardedFor)
	case 16:
		switch lower(name[0]) {
		case 'p':
			return match(name, "proxy-connection", dropped)
		case 'w':
			return match(name, "www-authenticate", wwwAuthenticate)
		}
		return loose(name, "x-forwarded-port", forwardedPort)
	case 17:
		if lower(name[0]) == 't' {
			return match(name, "transfer-encoding", transferEncoding)
		}
		return loose(name, "x-forwarded-proto", forwardedProto)
	case 25:
		return match(name, "strict-transport-security", strictTransport)
	}
	return other
}

func match(name []byte, low string, k kind) kind {
	if httphead.EqualFold(name, low) {
		return k
	}
	return other
}

// loose compares as match does, and takes an underscore for a hyphen.
func loose(name []byte, low string, k kind) kind {
	for i, c := range name {
		if c == '_' {
			c = '-'
		}
		if lower(c) != low[i] {
			return other
		}
	}
	return k
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// maxNominated is how many fields one Connection header may nominate.
const maxNominated = 8

// hops is what the Connection fields of one head say about this hop.
type hops struct {
	close, keepAlive, upgrade, te bool

	nominated [maxNominated][]byte
	n         int
}

// take reads the value of one Connection field, to its end: what holds for this hop
// may stand behind anything. It reports false if too many fields are nominated, or one
// that must not be stripped.
func (h *hops) take(value []byte) bool {
	ok := true
	elem, rest := httphead.Cut(value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		switch {
		case httphead.EqualFold(elem, "close"):
			h.close = true
		case httphead.EqualFold(elem, "keep-alive"):
			h.keepAlive = true
		case httphead.EqualFold(elem, "upgrade"):
			h.upgrade = true
		case httphead.EqualFold(elem, "te"):
			h.te = true
		case h.n == maxNominated || neverNominated(elem):
			ok = false
		default:
			h.nominated[h.n] = elem
			h.n++
		}
	}
	return ok
}

// persists reports whether the sender will take another message on the
// connection (RFC 9112, Section 9.3).
func (h *hops) persists(minor byte) bool {
	return !h.close && (minor > 0 || h.keepAlive)
}

// names reports whether the field is nominated.
func (h *hops) names(field []byte) bool {
	for _, n := range h.nominated[:h.n] {
		if bytes.EqualFold(n, field) {
			return true
		}
	}
	return false
}

// neverNominated lists the fields that a Connection header must not strip: who
// strips them makes the server see another request than casbah, or takes the
// client's address or identity off it.
func neverNominated(name []byte) bool {
	switch classify(name) {
	case authorization, contentLength, transferEncoding, forwardedFor, forwardedPort, forwardedProto, frontEndHTTPS:
		return true
	default:
		return httphead.EqualFold(name, "host") || httphead.EqualFold(name, "cookie") ||
			len(name) > len(forwardedPrefix) && loose(name[:len(forwardedPrefix)], forwardedPrefix, dropped) == dropped
	}
}

const forwardedPrefix = "x-forwarded-"
