package lab

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ews is Exchange Web Services, behind Windows authentication. Subscriptions
// live on one CAS.
type ews struct {
	cas           *CAS
	subscriptions sessions[string] // whose
}

// streamTime is how long a stream of events is held that does not say; Exchange
// allows up to 30 minutes.
const streamTime = 30 * time.Minute

var (
	ewsOperation    = regexp.MustCompile(`(?i)<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)
	ewsSubscription = regexp.MustCompile(`<(?:\w+:)?SubscriptionId>\s*([^<\s]+)`)
	ewsTimeout      = regexp.MustCompile(`<(?:\w+:)?ConnectionTimeout>\s*(\d+)`)
	ewsInterval     = regexp.MustCompile(`<(?:\w+:)?Interval>\s*(\w+)`)
)

func (e *ews) serve(v *visit) {
	if !v.authenticate(schemeNegotiate, schemeNTLM) {
		return
	}
	v.set("X-AspNet-Version", "2.0.50727")
	if v.cookie("exchangecookie") == "" {
		v.setCookie("exchangecookie", newTicket())
	}
	if v.r.Method != http.MethodPost {
		v.answer(http.StatusOK, typeXML, "<wsdl:definitions xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\">"+
			"<wsdl:documentation>"+v.user+" on "+v.cas.name+"</wsdl:documentation></wsdl:definitions>\n")
		return
	}
	body, ok := v.body()
	if !ok {
		return
	}
	switch operation := firstMatch(ewsOperation, body, "Request"); operation {
	case "Subscribe":
		ticket := e.subscriptions.open(v.user)
		v.answer(http.StatusOK, typeXML, v.envelope(operation, "NoError", "<m:SubscriptionId>"+ticket+"</m:SubscriptionId>"))
	case "GetStreamingEvents":
		e.stream(v, body)
	default:
		v.answer(http.StatusOK, typeXML, v.envelope(operation, "NoError", ""))
	}
}

// stream sends one event at each interval and one for each mail, for as many
// minutes as ConnectionTimeout says. The interval is Interval in the body or
// interval in the query, such as 200ms.
func (e *ews) stream(v *visit, body string) {
	const operation = "GetStreamingEvents"
	ticket := firstMatch(ewsSubscription, body, "")
	if owner, ok := e.subscriptions.get(ticket); ticket != "" && (!ok || owner != v.user) {
		v.answer(http.StatusOK, typeXML, v.envelope(operation, "ErrorSubscriptionNotFound", ""))
		return
	}
	since := v.mailNow() // before the client can know that it is waited for
	v.set("Content-Type", typeXML)
	if !v.send(v.envelope(operation, "NoError", "<m:ConnectionStatus>OK</m:ConnectionStatus>") + "\r\n") {
		return
	}
	n := 0
	event := func(kind string) bool {
		n++
		return v.send(v.envelope(operation, "NoError", fmt.Sprintf(
			"<m:Notifications><m:Notification><t:%s sequence=\"%d\"/></m:Notification></m:Notifications>", kind, n)) + "\r\n")
	}
	limit := streamTime
	if minutes, err := strconv.Atoi(firstMatch(ewsTimeout, body, "")); err == nil && minutes > 0 {
		limit = min(limit, time.Duration(minutes)*time.Minute)
	}
	v.hold(hold{
		limit:    limit,
		interval: v.interval(firstMatch(ewsInterval, body, "")),
		since:    since,
		tick:     func() bool { return event("StatusEvent") },
		mail:     func(int) bool { return event("NewMailEvent") },
	})
	v.send(v.envelope(operation, "NoError", "<m:ConnectionStatus>Closed</m:ConnectionStatus>") + "\r\n")
}

// interval returns the time between events: text, or the query's, or that of the
// array.
func (v *visit) interval(text string) time.Duration {
	if text == "" {
		text = v.r.URL.Query().Get("interval")
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	return v.cas.array.options.Interval
}

// envelope returns a SOAP answer that names the user and the server.
func (v *visit) envelope(operation, code, content string) string {
	class := "Success"
	if strings.HasPrefix(code, "Error") {
		class = "Error"
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>`+
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">`+
		`<s:Header><lab:User xmlns:lab="urn:casbah:lab">%s</lab:User><lab:Server xmlns:lab="urn:casbah:lab">%s</lab:Server></s:Header>`+
		`<s:Body><m:%[3]sResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"`+
		` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">`+
		`<m:ResponseMessages><m:%[3]sResponseMessage ResponseClass="%[4]s"><m:ResponseCode>%[5]s</m:ResponseCode>%[6]s`+
		`</m:%[3]sResponseMessage></m:ResponseMessages></m:%[3]sResponse></s:Body></s:Envelope>`,
		html.EscapeString(v.user), v.cas.name, operation, class, code, content)
}

// firstMatch returns what the first group of re matches in s, or otherwise.
func firstMatch(re *regexp.Regexp, s, otherwise string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return otherwise
}
