package h2

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"casbah/internal/httphead"
)

var (
	errHosts  = errors.New("h2: Host is not :authority")
	errHop    = errors.New("h2: a field that is of a connection of HTTP/1.1")
	errLength = errors.New("h2: Content-Length is not that of the body")
	errRead   = errors.New("h2: the head is read as another one")
)

// field is one line of a rendered head.
type field struct{ name, value string }

// render appends the head of r, which came by HTTP/2, as one of HTTP/1.1 to out
// (RFC 9113, Section 8.2 and 8.3). What it renders is read by the parser of the
// core as what r says and nothing else: no value ends a line, no field is of
// framing but the one that render writes.
func render(out []byte, r *http.Request) ([]byte, error) {
	var room [32]field
	fields, err := appendFields(room[:0], r)
	if err != nil {
		return nil, err
	}
	out = append(append(append(out, r.Method...), ' '), r.RequestURI...)
	out = append(out, " HTTP/1.1\r\n"...)
	for _, f := range fields {
		out = append(append(out, f.name...), ": "...)
		out = append(append(out, f.value...), "\r\n"...)
	}
	out = append(out, "\r\n"...)
	if !readsAs(out, r, fields) {
		return nil, errRead
	}
	return out, nil
}

// appendFields appends the fields of the head. Their order does not tell anything:
// net/http keeps that of fields of one name alone.
func appendFields(fields []field, r *http.Request) ([]field, error) {
	if hosts := r.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && hosts[0] != r.Host {
		return nil, errHosts
	}
	fields = append(fields, field{"Host", r.Host})
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		values := r.Header[name]
		switch name {
		case "Host", "Content-Length":
			continue
		case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Http2-Settings":
			return nil, errHop
		case "Te":
			if len(values) != 1 || !strings.EqualFold(values[0], "trailers") {
				return nil, errHop
			}
			fields = append(fields, field{"TE", "trailers"}, field{"Connection", "TE"})
			continue
		case "Cookie":
			// Its crumbs are one field of HTTP/1.1 (RFC 9113, Section 8.2.3).
			fields = append(fields, field{name, strings.Join(values, "; ")})
			continue
		}
		for _, v := range values {
			fields = append(fields, field{name, v})
		}
	}
	return appendFraming(fields, r)
}

// appendFraming appends the field that tells where the body ends.
func appendFraming(fields []field, r *http.Request) ([]field, error) {
	said := r.Header["Content-Length"]
	if len(said) > 1 || len(said) == 1 && !saysLength(said[0], r.ContentLength) {
		return nil, errLength
	}
	switch n := r.ContentLength; {
	case n > 0, n == 0 && len(said) == 1:
		fields = append(fields, field{"Content-Length", strconv.FormatInt(n, 10)})
	case n < 0:
		fields = append(fields, field{"Transfer-Encoding", "chunked"})
	case r.Method == http.MethodPost || r.Method == http.MethodPut:
		fields = append(fields, field{"Content-Length", "0"}) // as clients of HTTP/1.1 say it; IIS wants it
	}
	return fields, nil
}

// saysLength reports whether a Content-Length says n.
func saysLength(said string, n int64) bool {
	for _, c := range []byte(said) {
		if c < '0' || c > '9' {
			return false
		}
	}
	got, err := strconv.ParseInt(said, 10, 64)
	return err == nil && got == n
}

// readsAs reports whether the core's parser finds in head what r says: the method,
// the target in origin form, and these fields.
func readsAs(head []byte, r *http.Request, fields []field) bool {
	if n, err := httphead.End(head, 0); err != nil || n != len(head) {
		return false
	}
	var req httphead.Request
	req.Fields = make([]httphead.Field, 0, len(fields))
	if req.Parse(head) != nil || req.Authority != nil || len(req.Fields) != len(fields) ||
		string(req.Method) != r.Method || string(req.Target) != r.RequestURI || bytes.Equal(req.Method, []byte(http.MethodConnect)) {
		return false
	}
	for i := range fields {
		if string(req.Fields[i].Name) != fields[i].name || string(req.Fields[i].Value) != fields[i].value {
			return false
		}
	}
	return true
}
