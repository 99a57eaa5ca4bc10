package lab

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Cookies of a MAPI session ([MS-OXCMAPIHTTP], Section 3.2.5.1).
const (
	cookieContext  = "MapiContext"
	cookieSequence = "MapiSequence"
)

// Values of X-ResponseCode ([MS-OXCMAPIHTTP], Section 2.2.3.3.3).
const (
	mapiSuccess         = 0
	mapiInvalidVerb     = 2
	mapiInvalidRequest  = 5
	mapiContextNotFound = 10
	mapiMissingCookie   = 13
)

// notificationTime is how long a NotificationWait is held ([MS-OXCMAPIHTTP],
// Section 3.2.2).
const notificationTime = 5 * time.Minute

const typeMAPI = "application/mapi-http"

// mapi is MAPI over HTTP. A session context lives on one CAS.
type mapi struct {
	cas      *CAS
	contexts sessions[string] // whose
}

func (m *mapi) serve(v *visit) {
	if !v.authenticate(schemeNegotiate, schemeNTLM, schemeBasic) {
		return
	}
	request := v.r.Header.Get("X-RequestType")
	v.set("X-ServerApplication", "Exchange/15.00.0847.4040")
	v.set("X-RequestType", request)
	v.set("X-RequestId", v.r.Header.Get("X-RequestId"))
	if _, ok := v.body(); !ok {
		return
	}
	if v.r.Method != http.MethodPost {
		v.mapiCode(mapiInvalidVerb)
		return
	}
	switch strings.ToLower(request) {
	case "":
		v.mapiCode(mapiInvalidRequest)
	case "ping":
		v.mapiAnswer(nil)
	case "connect", "bind":
		v.mapiCookies(m.contexts.open(v.user))
		v.mapiAnswer(nil)
	default:
		m.inContext(v, strings.ToLower(request))
	}
}

// inContext answers a request that belongs to a session.
func (m *mapi) inContext(v *visit, request string) {
	ticket := v.cookie(cookieContext)
	if ticket == "" {
		v.mapiCode(mapiMissingCookie)
		return
	}
	if owner, ok := m.contexts.get(ticket); !ok || owner != v.user {
		v.mapiCode(mapiContextNotFound)
		return
	}
	switch request {
	case "disconnect", "unbind":
		m.contexts.drop(ticket)
		v.dropCookie(cookieContext)
		v.dropCookie(cookieSequence)
		v.mapiAnswer(nil)
	case "notificationwait":
		v.mapiCookies(ticket)
		since := v.mailNow() // before the client can know that it is waited for
		v.mapiAnswer(func() bool { return v.mapiWait(since) })
	default:
		v.mapiCookies(ticket)
		v.mapiAnswer(nil)
	}
}

// mapiCookies issues the cookies of a session; the sequence is new each time.
func (v *visit) mapiCookies(ticket string) {
	v.setCookie(cookieContext, ticket)
	v.setCookie(cookieSequence, newTicket())
}

// mapiCode answers with an error of the protocol.
func (v *visit) mapiCode(code int) {
	v.set("X-ResponseCode", fmt.Sprint(code))
	v.answer(http.StatusOK, typeHTML, fmt.Sprintf("<html><body>X-ResponseCode %d on %s</body></html>\n", code, v.cas.name))
}

// mapiAnswer streams an answer: PROCESSING at once, what wait adds, and DONE
// with the result ([MS-OXCMAPIHTTP], Section 2.2.2.2).
func (v *visit) mapiAnswer(wait func() (mail bool)) {
	started := time.Now()
	v.set("X-ResponseCode", fmt.Sprint(mapiSuccess))
	v.set("X-PendingPeriod", fmt.Sprint(v.cas.array.options.Interval.Milliseconds()))
	v.set("X-ExpirationInfo", "900000")
	v.set("Content-Type", typeMAPI)
	if !v.send("PROCESSING\r\n") {
		return
	}
	mail := wait != nil && wait()
	v.send(fmt.Sprintf("DONE\r\nX-ElapsedTime: %d\r\nX-StartTime: %s\r\n\r\n",
		time.Since(started).Milliseconds(), started.UTC().Format(http.TimeFormat)))
	v.send(mapiResult(mail))
}

// mapiWait holds a NotificationWait until there are more messages than since.
func (v *visit) mapiWait(since int) (mail bool) {
	v.hold(hold{
		limit:    notificationTime,
		interval: v.cas.array.options.Interval,
		since:    since,
		tick:     func() bool { return v.send("PENDING\r\n") },
		mail:     func(int) bool { mail = true; return false },
	})
	return mail
}

// mapiResult is StatusCode, ErrorCode, EventPending and AuxiliaryBufferSize
// ([MS-OXCMAPIHTTP], Section 2.2.4.4.2), each of four octets.
func mapiResult(mail bool) string {
	p := make([]byte, 16)
	if mail {
		p[8] = 1
	}
	return string(p)
}
