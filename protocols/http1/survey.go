package http1

import (
	"errors"

	"casbah/internal/httphead"
)

var errNominated = errors.New("http1: Connection nominates too many fields, or one that must not be stripped")

// survey is what the fields of a request say to a proxy. It is taken in one
// pass over them.
type survey struct {
	framing    framing
	hops       hops
	expect     bool // Expect: 100-continue, and nothing of the body has come
	credential bool // Authorization by NTLM, Negotiate or Kerberos
	authorized bool // any Authorization
	wsUpgrade  bool // Upgrade: websocket
	trailers   bool // TE: trailers, alone
	listed     bool // there is an X-Forwarded-For
	marked     bool // there is an X-Forwarded-Proto
	ported     bool // there is an X-Forwarded-Port
	fronted    bool // there is a Front-End-Https
}

// inspect classifies the fields of the request and checks what concerns
// framing and this hop.
func (x *exchange) inspect() error {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		k := classify(f.Name)
		if k == other && len(x.vip.Private) > 0 && x.private(f.Name) {
			k = dropped
		}
		x.kinds = append(x.kinds, k)
		if k == other { // common case
			continue
		}
		if err := x.takeField(k, f.Value, x.req.Minor); err != nil {
			return err
		}
	}
	if x.hops.n > 0 {
		for i := range x.req.Fields {
			if x.hops.names(x.req.Fields[i].Name) {
				x.kinds[i] = dropped
			}
		}
	}
	return x.framing.check()
}

// takeField reads one field of a kind that matters.
func (s *survey) takeField(k kind, value []byte, minor byte) error {
	switch k {
	case contentLength:
		return s.framing.contentLength(value)
	case transferEncoding:
		return s.framing.transferEncoding(value, minor)
	case connection:
		if !s.hops.take(value) {
			return errNominated
		}
	case authorization:
		s.authorized = true
		s.credential = s.credential || namesIdentity(value)
	case expect:
		s.expect = httphead.Token(value, "100-continue")
	case upgrade:
		s.wsUpgrade = s.wsUpgrade || httphead.EqualFold(value, "websocket")
	case te:
		s.trailers = s.trailers || httphead.EqualFold(value, "trailers")
	case forwardedFor:
		s.listed = true
	case forwardedProto:
		s.marked = true
	case forwardedPort:
		s.ported = true
	case frontEndHTTPS:
		s.fronted = true
	default: // says nothing to a proxy
	}
	return nil
}

// asksWebSocket reports whether the request asks for a websocket in the way
// that RFC 6455, Section 4.1 wants it.
func (x *exchange) asksWebSocket() bool {
	return x.wsUpgrade && x.hops.upgrade && x.req.Minor == 1 &&
		string(x.req.Method) == "GET" && x.request.done
}
