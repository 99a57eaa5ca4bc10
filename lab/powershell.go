package lab

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
)

// cookieShell is the cookie by which WinRM knows a remote shell.
const cookieShell = "MS-WSMAN"

// powershell is remote PowerShell over WS-Management. A shell lives on the CAS
// that created it.
type powershell struct {
	cas    *CAS
	shells sessions[string] // whose
}

var (
	wsmanAction  = regexp.MustCompile(`<(?:\w+:)?Action[^>]*>\s*([^<\s]+)`)
	wsmanShellID = regexp.MustCompile(`(?i)(?:Name="ShellId"[^>]*>|<(?:\w+:)?ShellId>)\s*([^<\s]+)`)
)

// Actions of WS-Management ([MS-WSMV], Section 2.2.1).
const (
	actionCreate = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
	actionDelete = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete"
)

func (p *powershell) serve(v *visit) {
	if !v.authenticate(schemeNegotiate, schemeNTLM, schemeBasic) {
		return
	}
	if v.r.Method != http.MethodPost {
		v.answer(http.StatusMethodNotAllowed, typeHTML, "")
		return
	}
	body, ok := v.body()
	if !ok {
		return
	}
	action := firstMatch(wsmanAction, body, "")
	shell := firstMatch(wsmanShellID, body, v.cookie(cookieShell))
	if action == actionCreate || shell == "" {
		p.create(v)
		return
	}
	owner, ok := p.shells.get(shell)
	if !ok || owner != v.user {
		v.answer(http.StatusInternalServerError, typeSOAP, invalidShell(shell))
		return
	}
	if action == actionDelete {
		p.shells.drop(shell)
		v.dropCookie(cookieShell)
	}
	v.answer(http.StatusOK, typeSOAP, v.wsman(action, shell))
}

// create opens a shell. Its id is the cookie too.
func (p *powershell) create(v *visit) {
	shell := strings.ToUpper(newGUID())
	p.shells.put(shell, v.user)
	v.setCookie(cookieShell, shell)
	v.answer(http.StatusOK, typeSOAP, v.wsman(actionCreate, shell))
}

// wsman returns an answer that names the shell, the user and the server.
func (v *visit) wsman(action, shell string) string {
	return fmt.Sprintf(`<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope"`+
		` xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"`+
		` xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">`+
		`<s:Header><a:Action>%sResponse</a:Action></s:Header><s:Body><rsp:Shell><rsp:ShellId>%s</rsp:ShellId>`+
		`<rsp:Owner>%s</rsp:Owner><rsp:ClientIP>%s</rsp:ClientIP></rsp:Shell></s:Body></s:Envelope>`,
		html.EscapeString(action), html.EscapeString(shell), html.EscapeString(v.user), v.cas.name)
}

// invalidShell is the fault that shows a lost session: the request reached a
// server that did not create the shell.
func invalidShell(shell string) string {
	text := fmt.Sprintf("The request for the Windows Remote Shell with ShellId %s failed because the shell was not "+
		"found on the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists "+
		"on the server. Provide the correct ShellId or create a new shell and retry the operation.", shell)
	return `<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Body><s:Fault>` +
		`<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:InvalidSelectors</s:Value></s:Subcode></s:Code>` +
		`<s:Reason><s:Text xml:lang="en-US">` + html.EscapeString(text) + `</s:Text></s:Reason>` +
		`<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858843">` +
		`<f:Message>WSMan-InvalidShellID: ` + html.EscapeString(text) + `</f:Message></f:WSManFault></s:Detail>` +
		`</s:Fault></s:Body></s:Envelope>`
}
