package lab

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const typeWBXML = "application/vnd.ms-sync.wbxml"

// defaultHeartbeat is how long a Ping is held that does not say.
const defaultHeartbeat = 8 * time.Minute

// easCommands are the commands of ActiveSync in the order of their codes in a
// base64 query ([MS-ASHTTP], Section 2.2.1.1.1.1.2).
var easCommands = []string{
	"Sync", "SendMail", "SmartForward", "SmartReply", "GetAttachment", "", "", "", "",
	"FolderSync", "FolderCreate", "FolderDelete", "FolderUpdate", "MoveItems", "GetItemEstimate",
	"MeetingResponse", "Search", "Settings", "Ping", "ItemOperations", "Provision",
	"ResolveRecipients", "ValidateCert",
}

// serveEAS answers Exchange ActiveSync, which phones speak.
func (s *CAS) serveEAS(v *visit) {
	if !v.authenticate(schemeBasic) {
		return
	}
	v.set("MS-Server-ActiveSync", "14.3")
	switch v.r.Method {
	case http.MethodOptions:
		v.set("Allow", "OPTIONS,POST")
		v.set("Public", "OPTIONS,POST")
		v.set("MS-ASProtocolVersions", "2.0,2.1,2.5,12.0,12.1,14.0,14.1")
		v.set("MS-ASProtocolCommands", strings.ReplaceAll(strings.Join(easCommands, ","), ",,,,,", ","))
		v.answer(http.StatusOK, typeText, "")
	case http.MethodPost:
		s.easCommand(v)
	default:
		v.answer(http.StatusNotImplemented, typeHTML, "")
	}
}

func (s *CAS) easCommand(v *visit) {
	body, ok := v.body()
	if !ok {
		return
	}
	command, device := easQuery(v.r.URL.RawQuery)
	switch command {
	case "Ping":
		s.ping(v, body, device)
	case "Sync":
		s.sync(v, device)
	case "":
		v.text(http.StatusBadRequest, "")
	default:
		v.answer(http.StatusOK, typeWBXML, "")
	}
}

// ping waits for mail that the device has not fetched.
func (s *CAS) ping(v *visit, body, device string) {
	came := false
	v.hold(hold{
		limit: heartbeat(v.r.URL.Query(), body),
		since: s.array.mail.seenBy(v.user, device),
		mail:  func(int) bool { came = true; return false },
	})
	result := "1" // no change ([MS-ASCMD], Section 2.2.3.177.11)
	if came {
		result = "2"
	}
	answer := newWBXML(pagePing)
	answer.open(pingPing)
	answer.element(pingStatus, result)
	answer.close()
	v.answer(http.StatusOK, typeWBXML, answer.String())
}

// sync lets the device catch up. Its answer names how many messages were new in
// the header X-Lab-New.
func (s *CAS) sync(v *visit, device string) {
	fetched := s.array.mail.fetch(v.user, device)
	v.set("X-Lab-New", strconv.Itoa(fetched))
	answer := newWBXML(pageAirSync)
	answer.open(syncSync)
	answer.open(syncCollections)
	answer.open(syncCollection)
	answer.element(syncKey, strconv.Itoa(v.mailNow()+1))
	answer.element(syncCollectionID, "5")
	answer.element(syncStatus, "1")
	answer.close()
	answer.close()
	answer.close()
	v.answer(http.StatusOK, typeWBXML, answer.String())
}

// heartbeat returns how long a Ping wants to be held: HeartbeatInterval in its
// body, in seconds, or, for use by hand, in the query, where 500ms will do too.
func heartbeat(q url.Values, body string) time.Duration {
	text := wbxmlText([]byte(body), pagePing, pingHeartbeat)
	if text == "" {
		text = q.Get("HeartbeatInterval")
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= 3540 {
		return time.Duration(n) * time.Second
	}
	return defaultHeartbeat
}

// easQuery returns the command and the device of a query, in plain text or in
// base64 ([MS-ASHTTP], Section 2.2.1.1.1.1).
func easQuery(raw string) (command, device string) {
	if q, err := url.ParseQuery(raw); err == nil && q.Get("Cmd") != "" {
		return q.Get("Cmd"), q.Get("DeviceId")
	}
	p, err := base64.StdEncoding.DecodeString(raw)
	// Version, command, two octets of locale, length of the device's name.
	if err != nil || len(p) < 5 || int(p[1]) >= len(easCommands) || len(p) < 5+int(p[4]) {
		return "", ""
	}
	return easCommands[p[1]], fmt.Sprintf("%x", p[5:5+int(p[4])])
}
