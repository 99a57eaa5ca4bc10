package lab

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"casbah/protocols/ntlm"
)

// scheme is a way to prove who one is, as WWW-Authenticate spells it.
type scheme string

const (
	schemeBasic     scheme = "Basic"
	schemeNTLM      scheme = "NTLM"
	schemeNegotiate scheme = "Negotiate"
)

// windowsSession is what NTLM made of one connection. The identity belongs to
// the connection: once a handshake succeeded, requests without credentials are
// that user's.
type windowsSession struct {
	user    string     // "" before the handshake has succeeded
	pending *handshake // type 2 was sent and type 3 may follow; nil otherwise
}

// errCredentials is a log-on that failed, for whatever reason: a client learns
// no more than that.
var errCredentials = errors.New("lab: credentials do not match")

// authenticate finds out who the visitor is. If it reports false it has
// answered 401, with an NTLM challenge or with the schemes offered.
func (v *visit) authenticate(offers ...scheme) bool {
	given, token, _ := strings.Cut(v.r.Header.Get("Authorization"), " ")
	for _, offer := range offers {
		if !strings.EqualFold(given, string(offer)) {
			continue
		}
		if offer == schemeBasic {
			return v.authenticateBasic(token, offers)
		}
		return v.authenticateWindows(offer, token, offers)
	}
	if given == "" && v.conn.identity.user != "" && offersWindows(offers) {
		v.known(v.conn.identity.user)
		return true
	}
	v.unauthorized(offers)
	return false
}

func offersWindows(offers []scheme) bool {
	for _, offer := range offers {
		if offer != schemeBasic {
			return true
		}
	}
	return false
}

// authenticateWindows takes one NTLM message, bare or wrapped in SPNEGO. A new
// handshake ends the identity that the connection had.
func (v *visit) authenticateWindows(by scheme, token string, offers []scheme) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil {
		return v.refuse(offers)
	}
	message, envelope, err := openEnvelope(raw)
	if err != nil {
		return v.refuse(offers)
	}
	v.conn.identity.user = ""
	switch {
	case envelope.wantsMechanism:
		v.continueWindows(by, envelope.chooseNTLM())
		return false
	case ntlm.TypeOf(message) == ntlm.NegotiateType:
		return v.challenge(by, message, envelope, offers)
	default:
		return v.conclude(by, message, envelope, offers)
	}
}

// challenge answers a type 1 message with a type 2 message, which binds the
// handshake to this connection.
func (v *visit) challenge(by scheme, type1 []byte, e envelope, offers []scheme) bool {
	h, err := newHandshake(type1, v.cas.name)
	if err != nil {
		return v.refuse(offers)
	}
	h.binding = v.conn.binding(v.cas.array)
	v.conn.identity.pending = h
	v.continueWindows(by, e.wrap(h.type2))
	return false
}

// conclude checks a type 3 message against the challenge that this connection
// has sent. A challenge serves once.
func (v *visit) conclude(by scheme, type3 []byte, e envelope, offers []scheme) bool {
	h := v.conn.identity.pending
	v.conn.identity.pending = nil
	if h == nil {
		return v.refuse(offers)
	}
	user, err := h.verify(type3, v.cas.array.users)
	if err != nil {
		return v.refuse(offers)
	}
	v.cas.counters.logons.Add(1)
	v.conn.identity.user = user
	v.known(user)
	v.set("Persistent-Auth", "true")
	if done := e.complete(); done != nil {
		v.set("WWW-Authenticate", string(by)+" "+base64.StdEncoding.EncodeToString(done))
	}
	return true
}

// continueWindows answers 401 with the next token of a handshake.
func (v *visit) continueWindows(by scheme, token []byte) {
	v.set("WWW-Authenticate", string(by)+" "+base64.StdEncoding.EncodeToString(token))
	v.answer(http.StatusUnauthorized, typeHTML, unauthorizedPage)
}

// refuse counts credentials that were wrong and starts over.
func (v *visit) refuse(offers []scheme) bool {
	v.cas.counters.refused.Add(1)
	v.conn.identity = windowsSession{}
	v.unauthorized(offers)
	return false
}

// unauthorizedPage is the page that IIS shows when a login dialog is cancelled.
const unauthorizedPage = "<html><head><title>401 - Unauthorized: Access is denied due to invalid credentials." +
	"</title></head><body><h1>Server Error</h1></body></html>\n"

// unauthorized answers 401 with one WWW-Authenticate line per scheme.
func (v *visit) unauthorized(offers []scheme) {
	for _, offer := range offers {
		if offer == schemeBasic {
			v.add("WWW-Authenticate", `Basic realm="`+v.cas.FQDN()+`"`)
			continue
		}
		v.add("WWW-Authenticate", string(offer))
	}
	v.answer(http.StatusUnauthorized, typeHTML, unauthorizedPage)
}
