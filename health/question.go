package health

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// Question is what a LoginProbe asks.
type Question uint8

// The questions.
const (
	AskEAS          Question = iota + 1 // the versions of ActiveSync
	AskEWS                              // the inbox of the account
	AskEcho                             // an echo of the RPC proxy
	AskAutodiscover                     // whether Autodiscover works
	AskOWA                              // the mailbox, by the form of the login
)

// Questions are all of them by the words of the configuration.
var Questions = map[string]Question{"eas": AskEAS, "ews": AskEWS, "rpc_echo": AskEcho, "autodiscover": AskAutodiscover, "owa": AskOWA}

// String says in a few words what is asked.
func (q Question) String() string {
	switch q {
	case AskEAS:
		return "login, versions of ActiveSync"
	case AskEWS:
		return "login, GetFolder of the inbox"
	case AskEcho:
		return "login, echo of the RPC proxy"
	case AskAutodiscover:
		return "login, answer of Autodiscover"
	case AskOWA:
		return "login by the form, mailbox"
	default:
		return "login"
	}
}

func (q Question) method() string {
	switch q {
	case AskEAS:
		return http.MethodOptions
	case AskEWS:
		return http.MethodPost
	case AskEcho:
		return "RPC_OUT_DATA" // [MS-RPCH], Section 2.1.2.1.2
	default:
		return http.MethodGet
	}
}

func (q Question) path() string {
	switch q {
	case AskEAS:
		return "/Microsoft-Server-ActiveSync"
	case AskEWS:
		return "/EWS/Exchange.asmx"
	case AskEcho:
		return "/rpc/rpcproxy.dll"
	case AskOWA:
		return "/owa/auth.owa"
	default:
		return "/Autodiscover/Autodiscover.xml"
	}
}

// getInbox asks EWS for the identity of the inbox, and for nothing in it.
const getInbox = `<?xml version="1.0" encoding="utf-8"?>` +
	`<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"` +
	` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"` +
	` xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">` +
	`<soap:Header><t:RequestServerVersion Version="Exchange2007_SP1"/></soap:Header>` +
	`<soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>` +
	`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></soap:Body></soap:Envelope>`

// content returns the body of the request and its type.
func (q Question) content() (text, kind string) {
	switch q {
	case AskEWS:
		return getInbox, "text/xml; charset=utf-8"
	default:
		return "", ""
	}
}

// judge wants the right answer, of status 200.
func (q Question) judge(h http.Header, body []byte) error {
	switch q {
	case AskEAS:
		return judgeEAS(h.Get("MS-ASProtocolVersions"))
	case AskEWS:
		return judgeCode(body, "ResponseCode", "NoError")
	case AskEcho:
		return judgeEcho(body)
	case AskAutodiscover: // a GET names no mailbox, which a working one complains of
		return judgeCode(body, "ErrorCode", "600")
	default:
		return nil
	}
}

// versions is the list of versions of a server of ActiveSync ([MS-ASHTTP],
// Section 2.2.4.1.2).
var versions = regexp.MustCompile(`^\d{1,2}\.\d{1,2}( ?, ?\d{1,2}\.\d{1,2}){0,31}$`)

func judgeEAS(list string) error {
	if !versions.MatchString(list) {
		return fmt.Errorf("MS-ASProtocolVersions: want versions, got %s", said([]byte(list), ""))
	}
	return nil
}

// errNotXML is an answer that is none.
var errNotXML = errors.New("body: not XML")

// judgeCode wants the first element of that name, in whatever name space, to hold
// that word.
func judgeCode(body []byte, element, want string) error {
	got, ok, err := firstElement(body, element)
	switch {
	case err != nil:
		return errNotXML
	case !ok:
		return fmt.Errorf("body: want a %s of %s, got none", element, want)
	case got != want:
		return fmt.Errorf("body: want a %s of %s, got %s", element, want, said([]byte(got), ""))
	default:
		return nil
	}
}

// maxCode is the longest code that is read, in octets.
const maxCode = 256

// firstElement returns the text of the first element of that name. What comes
// behind it is not looked at.
func firstElement(body []byte, name string) (text string, ok bool, err error) {
	in := xml.NewDecoder(bytes.NewReader(body))
	in.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // codes are of ASCII
	for inside := false; ; {
		token, err := in.Token()
		if errors.Is(err, io.EOF) && !inside {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if inside {
				return text, true, nil // a code holds no element
			}
			inside = token.Name.Local == name
		case xml.CharData:
			if inside {
				text += string(token[:min(len(token), maxCode-len(text))])
			}
		case xml.EndElement:
			if inside {
				return strings.TrimSpace(text), true, nil
			}
		}
	}
}

// judgeEcho wants the PDU that an RPC proxy answers an echo with ([MS-RPCH],
// Section 2.1.2.1.6): RTS with the flag of an echo, and no commands.
func judgeEcho(body []byte) error {
	const octets, rts, echo = 20, 0x14, 0x0040
	le := binary.LittleEndian
	if len(body) != octets || body[0] != 5 || body[2] != rts || le.Uint16(body[8:]) != octets ||
		le.Uint16(body[16:]) != echo || le.Uint16(body[18:]) != 0 {
		return fmt.Errorf("body: want the echo of an RPC proxy, got %d octets of something else", len(body))
	}
	return nil
}
