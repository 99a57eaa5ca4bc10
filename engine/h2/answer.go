package h2

import (
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"strconv"

	"casbah/internal/httphead"
)

// errAnswer ends a stream whose core wrote what is no response: the core checks
// what servers send, so there is no such.
var errAnswer = errors.New("h2: the response is not one of HTTP/1.1")

// answer reads a response of HTTP/1.1 and writes it by HTTP/2.
type answer struct {
	w        http.ResponseWriter
	bodiless bool   // the request was HEAD
	held     []byte // a head as far as it has come
	state    answerState
	left     int64 // octets of a body of known length
	chunks   dechunker
}

// answerState is what a response must go on with.
type answerState uint8

const (
	answerHead answerState = iota
	answerLength
	answerChunks
	answerToEnd // the end of the connection ends it
	answerDone
)

// take writes p to the client, and reports whether the response is complete.
func (a *answer) take(p []byte) (done bool, err error) {
	for len(p) > 0 && err == nil {
		n := 0
		switch a.state {
		case answerHead:
			n, err = a.head(p)
		case answerLength:
			n = int(min(a.left, int64(len(p))))
			if a.left -= int64(n); a.left == 0 {
				a.state = answerDone
			}
			_, err = a.w.Write(p[:n])
		case answerChunks:
			n, err = a.chunks.take(p, a.w)
			if a.chunks.state == chunksOver {
				a.state = answerDone
			}
		case answerToEnd:
			n, err = a.w.Write(p)
		case answerDone:
			return true, errAnswer // more than one response
		}
		p = p[n:]
	}
	return a.state == answerDone, err
}

// endsHere reports whether the response is complete if nothing follows.
func (a *answer) endsHere() bool { return a.state == answerToEnd || a.state == answerDone }

// head takes a head, or what there is of it, and returns how many octets of p
// belong to it.
func (a *answer) head(p []byte) (int, error) {
	before := len(a.held)
	head := p
	if before > 0 {
		a.held = append(a.held, p...)
		head = a.held
	}
	n, err := httphead.End(head, before)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		if before == 0 {
			a.held = append(a.held, p...)
		}
		return len(p), nil
	}
	var r httphead.Response
	if err := r.Parse(head[:n]); err != nil {
		return 0, err
	}
	a.held = nil
	return n - before, a.begin(&r)
}

// begin sends a head.
func (a *answer) begin(r *httphead.Response) error {
	switch {
	case r.Status == http.StatusSwitchingProtocols:
		return errAnswer // nobody asked for it
	case r.Status == http.StatusContinue:
		return nil // net/http has said it when the body was read
	case r.Status < 200:
		a.inform(r)
		return nil
	}
	a.state = answerToEnd
	if err := a.addFields(a.w.Header(), r); err != nil {
		return err
	}
	if a.bodiless || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		a.state = answerDone
	}
	a.unsaid(a.w.Header())
	a.w.WriteHeader(r.Status)
	return nil
}

// inform sends a head of 1xx, whose fields are its own.
func (a *answer) inform(r *httphead.Response) {
	h := a.w.Header()
	kept := h.Clone()
	clear(h)
	for i := range r.Fields {
		f := &r.Fields[i]
		if name := textproto.CanonicalMIMEHeaderKey(string(f.Name)); !ofHop(name) {
			h[name] = append(h[name], string(f.Value))
		}
	}
	a.w.WriteHeader(r.Status)
	clear(h)
	maps.Copy(h, kept)
}

// addFields adds the fields of a final response to h, but for those of the
// connection, and takes note of where the body ends.
func (a *answer) addFields(h http.Header, r *httphead.Response) error {
	for i := range r.Fields {
		f := &r.Fields[i]
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		framing := name == "Transfer-Encoding" || name == "Content-Length"
		switch {
		case framing && a.state != answerToEnd:
			return errAnswer // it is said already
		case name == "Transfer-Encoding":
			if r.Minor == 0 || !httphead.EqualFold(f.Value, "chunked") {
				return errAnswer
			}
			a.state = answerChunks
		case ofHop(name):
		case name == "Content-Length":
			n, err := strconv.ParseUint(string(f.Value), 10, 63)
			if err != nil {
				return errAnswer
			}
			a.left, a.state = int64(n), answerLength
			h[name] = []string{string(f.Value)}
		default:
			h[name] = append(h[name], string(f.Value))
		}
	}
	if a.state == answerLength && a.left == 0 {
		a.state = answerDone
	}
	return nil
}

// unsaid keeps net/http from adding what the server did not say.
func (*answer) unsaid(h http.Header) {
	for _, name := range [...]string{"Date", "Content-Type"} {
		if _, ok := h[name]; !ok {
			h[name] = nil
		}
	}
}

// ofHop reports whether a field holds for a connection of HTTP/1.1 alone (RFC
// 9113, Section 8.2.2).
func ofHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}
