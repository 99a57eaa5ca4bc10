package lab

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Schemas of Autodiscover answers ([MS-OXDSCLI], Section 2.2.4.1).
const (
	schemaOutlook = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	schemaMobile  = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
)

var (
	autodiscoverAddress = regexp.MustCompile(`(?i)<(?:\w+:)?EMailAddress>\s*([^<\s]+)`)
	autodiscoverSchema  = regexp.MustCompile(`(?i)<(?:\w+:)?AcceptableResponseSchema>\s*([^<\s]+)`)
)

// serveAutodiscover tells clients where their mailbox is: the same everywhere,
// by the name that the client has called.
func (s *CAS) serveAutodiscover(v *visit) {
	if !v.authenticate(schemeNegotiate, schemeNTLM, schemeBasic) {
		return
	}
	if v.r.Method != http.MethodPost {
		v.answer(http.StatusOK, typeXML, autodiscoverError(600, "Invalid Request"))
		return
	}
	body, ok := v.body()
	if !ok {
		return
	}
	address := firstMatch(autodiscoverAddress, body, "")
	user, known := s.array.users.known(address)
	switch {
	case address == "":
		v.answer(http.StatusOK, typeXML, autodiscoverError(600, "Invalid Request"))
	case !known:
		v.answer(http.StatusOK, typeXML, autodiscoverError(500, "The email address can't be found."))
	case strings.Contains(firstMatch(autodiscoverSchema, body, ""), "mobilesync"):
		v.answer(http.StatusOK, typeXML, v.autodiscoverMobile(user))
	default:
		v.answer(http.StatusOK, typeXML, v.autodiscoverOutlook(user))
	}
}

func autodiscoverDocument(content string) string {
	return `<?xml version="1.0" encoding="utf-8"?>` + "\n" +
		`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">` +
		content + "</Autodiscover>\n"
}

func autodiscoverError(code int, message string) string {
	return autodiscoverDocument(fmt.Sprintf(
		`<Response><Error Time="%s" Id="%d"><ErrorCode>%d</ErrorCode><Message>%s</Message><DebugData /></Error></Response>`,
		time.Now().UTC().Format("15:04:05.0000000"), 1, code, html.EscapeString(message)))
}

// site returns the address of the site as the client sees it.
func (v *visit) site() string {
	scheme := "http://"
	if v.secureAttribute() != "" {
		scheme = "https://"
	}
	return scheme + html.EscapeString(v.r.Host)
}

func (v *visit) autodiscoverMobile(user string) string {
	return autodiscoverDocument(fmt.Sprintf(
		`<Response xmlns="%s"><Culture>en:us</Culture><User><DisplayName>%[2]s</DisplayName>`+
			`<EMailAddress>%[2]s@%[3]s</EMailAddress></User><Action><Settings><Server><Type>MobileSync</Type>`+
			`<Url>%[4]s/Microsoft-Server-ActiveSync</Url><Name>%[4]s/Microsoft-Server-ActiveSync</Name>`+
			`</Server></Settings></Action></Response>`, schemaMobile, html.EscapeString(user), DNSSuffix, v.site()))
}

func (v *visit) autodiscoverOutlook(user string) string {
	return autodiscoverDocument(fmt.Sprintf(
		`<Response xmlns="%s"><User><DisplayName>%[2]s</DisplayName>`+
			`<LegacyDN>/o=Lab/ou=Exchange/cn=Recipients/cn=%[2]s</LegacyDN>`+
			`<AutoDiscoverSMTPAddress>%[2]s@%[3]s</AutoDiscoverSMTPAddress></User>`+
			`<Account><AccountType>email</AccountType><Action>settings</Action>`+
			`<Protocol><Type>EXPR</Type><Server>%[5]s</Server><SSL>On</SSL><AuthPackage>Ntlm</AuthPackage>`+
			`<ASUrl>%[4]s/EWS/Exchange.asmx</ASUrl><EwsUrl>%[4]s/EWS/Exchange.asmx</EwsUrl>`+
			`<OABUrl>%[4]s/OAB/%[6]s/</OABUrl></Protocol>`+
			`<Protocol><Type>WEB</Type><External><OWAUrl AuthenticationMethod="Fba">%[4]s/owa/</OWAUrl></External></Protocol>`+
			`</Account></Response>`,
		schemaOutlook, html.EscapeString(user), DNSSuffix, v.site(), html.EscapeString(v.r.Host), OABID))
}
