package health

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// soap is an answer of EWS with a code.
func soap(code string) string {
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="x"><s:Body><m:GetFolderResponse xmlns:m="y">` +
		`<m:ResponseMessages><m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>` + code + `</m:ResponseCode>` +
		`</m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse></s:Body></s:Envelope>`
}

// echoOf is the answer of an RPC proxy to an echo.
const echoOf = "\x05\x00\x14\x03\x10\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00"

func TestQuestionJudges(t *testing.T) {
	tests := []struct {
		name     string
		question Question
		versions string
		body     string
		want     string // in the error; empty: right
	}{
		{"eas", AskEAS, "2.0,2.1,2.5,12.0,12.1,14.0,14.1", "", ""},
		{"eas-spaces", AskEAS, "14.1, 16.1", "", ""},
		{"eas-without", AskEAS, "", "", "want versions, got \"\""},
		{"eas-words", AskEAS, "all of them", "", "want versions"},
		{"eas-endless", AskEAS, strings.Repeat("1.0,", 100) + "1.0", "", "want versions"},
		{"ews", AskEWS, "", soap("NoError"), ""},
		{"ews-error", AskEWS, "", soap("ErrorMailboxStoreUnavailable"), `want a ResponseCode of NoError, got "ErrorMailboxStoreUnavailable"`},
		{"ews-two", AskEWS, "", soap("ErrorNonExistentMailbox") + soap("NoError"), "ErrorNonExistentMailbox"},
		{"ews-nested", AskEWS, "", soap("<b>NoError</b>"), `got ""`},
		{"ews-none", AskEWS, "", "<html></html>", "want a ResponseCode of NoError, got none"},
		{"ews-empty", AskEWS, "", "", "got none"},
		{"ews-cut", AskEWS, "", soap("NoError")[:strings.Index(soap("NoError"), "NoError")+3], "not XML"},
		{"ews-no-xml", AskEWS, "", "<<<", "not XML"},
		{"echo", AskEcho, "", echoOf, ""},
		{"echo-long", AskEcho, "", echoOf + "x", "want the echo"},
		{"echo-empty", AskEcho, "", "", "want the echo"},
		{"echo-commands", AskEcho, "", echoOf[:18] + "\x01\x00", "want the echo"},
		{"autodiscover", AskAutodiscover, "", "<Autodiscover><Response><Error><ErrorCode>600</ErrorCode></Error></Response></Autodiscover>", ""},
		{"autodiscover-500", AskAutodiscover, "", "<Error><ErrorCode>500</ErrorCode></Error>", `want a ErrorCode of 600, got "500"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := make(http.Header)
			if tt.versions != "" {
				h.Set("MS-ASProtocolVersions", tt.versions)
			}
			err := tt.question.judge(h, []byte(tt.body))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("judge() = %v; want %q", err, tt.want)
			}
		})
	}
}

// FuzzQuestionJudges: what a server answers ends in a verdict and a short text.
func FuzzQuestionJudges(f *testing.F) {
	f.Add("14.1", soap("NoError"))
	f.Add("14.1,", soap("")[:200])
	f.Add("", echoOf)
	f.Add("1.0", "<Error><ErrorCode>600</ErrorCode></Error>")
	f.Add("", strings.Repeat("<a>", 1000))
	f.Add("", "<!DOCTYPE a [<!ENTITY b \"c\">]><ResponseCode>&b;</ResponseCode>")
	f.Fuzz(func(t *testing.T, versions, body string) {
		h := http.Header{"Ms-Asprotocolversions": {versions}}
		for _, q := range Questions {
			err := q.judge(h, []byte(body))
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("%v: the error has %d octets", q, len(err.Error()))
			}
			word := map[Question]string{AskEWS: "NoError", AskAutodiscover: "600"}[q]
			if err == nil && word != "" && !strings.Contains(body, word) && !strings.Contains(body, "&") && !strings.Contains(body, "<!") {
				t.Errorf("%v takes %q for right", q, body)
			}
			if err == nil && q == AskEcho && len(body) != 20 || err == nil && q == AskEAS && !strings.Contains(versions, ".") {
				t.Errorf("%v takes %q, %q for right", q, versions, body)
			}
		}
	})
}

// FuzzChallengeOf: a challenge is what stands in one of the lines, in base64.
func FuzzChallengeOf(f *testing.F) {
	f.Add("NTLM TlRMTVNTUAACAAAA", "Negotiate")
	f.Add("ntlm  TlRMTVNTUAACAAAA ", "NTLM")
	f.Add("NTLM "+strings.Repeat("A", 5000), "NTLM AAAA")
	f.Fuzz(func(t *testing.T, first, second string) {
		got := challengeOf(http.Header{"Www-Authenticate": {first, second}})
		if got == nil {
			return
		}
		coded := base64.StdEncoding.EncodeToString(got)
		if len(coded) > maxChallenge || len(strings.Join(strings.Fields(first+second), "")) < len(coded) {
			t.Errorf("challengeOf(%q, %q) = %q", first, second, got)
		}
	})
}
