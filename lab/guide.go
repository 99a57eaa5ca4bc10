package lab

import (
	"strings"
	"text/template"
)

// guideText is written for a person who has just started the lab and has curl.
var guideText = template.Must(template.New("guide").Parse(`
{{.Servers}} simulated client access servers run, and casbah in front of them.
Users: alice Secret1, bob Secret2, carol Secret3, dave Secret4 (domain {{.Domain}}).
{{if .Admin}}
The page         http://{{.Admin}}/   servers by protocols, live
{{- if .Token}}
                 its orders, a drain perhaps, ask for the token in {{.Token}}
{{- end}}{{end}}{{if .Mail}}
Outlook Web App  {{.Mail}}/owa/   log in as alice, turn pages; each names its server
{{- end}}{{if .Plain}}
without TLS      {{.Plain}}/owa/
{{- end}}{{if .Control}}
The lab          http://{{.Control}}/   state of the servers, orders
{{- end}}
{{if .Mail}}
1. A login stays on its server.

   curl {{.TLS}}-c jar -d username=alice -d password=Secret1 {{.Mail}}/owa/auth/owaauth.dll
   curl {{.TLS}}-b jar -si '{{.Mail}}/owa/?page=2' | grep X-Lab

   X-Lab-Server is the same, however often you ask. A session lives on one server:
   another one would answer 440 Login Timeout.

2. NTLM belongs to one connection, and casbah keeps it there.

   curl {{.TLS}}-si --ntlm -u 'LAB\bob:Secret2' {{.Mail}}/EWS/Exchange.asmx | grep -E '^HTTP|X-Lab'

   401 and then 200 for bob, with the same X-Lab-Conn in both.

3. Push mail: a phone waits, and hears at once.

   curl {{.TLS}}-u carol:Secret3 -X POST -so /dev/null -w '%{http_code} after %{time_total} s\n' \
     '{{.Mail}}/Microsoft-Server-ActiveSync?Cmd=Ping&User=carol&DeviceId=d1&HeartbeatInterval=60'
{{- if .Control}}

   Meanwhile a message comes, and the first command ends:

   curl -X POST http://{{.Control}}/mail/carol
{{- end}}

4. Events stream, nothing is buffered: one each second, until Ctrl-C.

   curl {{.TLS}}-sN --ntlm -u dave:Secret4 -d '<Body><GetStreamingEvents/></Body>' {{.Mail}}/EWS/Exchange.asmx \
     | grep -o 'sequence="[0-9]*"'

5. Outlook Anywhere asks its RPC proxy for an echo.

   curl {{.TLS}}-si -u alice:Secret1 -X RPC_OUT_DATA -H 'Content-Length: 0' {{.Mail}}/rpc/rpcproxy.dll | head -1

   HTTP/1.1 200 Success: the reason phrase passes as the server wrote it.
{{end}}{{if .Control}}
6. One protocol fails on one server, and moves alone.

   curl -X POST http://{{.Control}}/cas1/owa/503

   After three probes, some 15 s, the page shows owa on cas1 down; the rest of cas1
   works on. After two good probes it is up again:

   curl -X POST http://{{.Control}}/cas1/owa/ok

7. A server stops. Take the one that step 1 has named.

   curl -X POST http://{{.Control}}/cas1/stop

   The next page of step 1 comes from another server, which does not know the login:
   440. Log in again, and the pages stay there.

   curl -X POST http://{{.Control}}/cas1/start

   Taken out of service in an orderly way it keeps those who are logged in, and draws
   no others; and if it answers for another server, it is found misrouted:

   curl -X POST http://{{.Control}}/cas2/offline
   curl -X POST http://{{.Control}}/cas3/name/cas1
   curl -X POST http://{{.Control}}/cas2/ok
   curl -X POST http://{{.Control}}/cas3/ok

   Some probes log in. When their account is refused, no server is taken for broken, and
   casbah says that it is the account:

   curl -X POST http://{{.Control}}/account/probe/refuse
   curl -X POST http://{{.Control}}/account/probe/ok
{{end}}{{if .POP3}}
8. Mail is passed on as it comes. The greeting names the server: another one each time,
   as any will do.

   curl -sv -u alice:Secret1 pop3://{{.POP3}}/1 2>&1 | grep -E 'ready|Subject'
{{end}}{{if .IMAP4}}
9. So is IMAP4.

   curl -sv -u alice:Secret1 'imap://{{.IMAP4}}/INBOX;MAILINDEX=1' 2>&1 | grep -E 'ready|Subject'
{{end}}{{if .SMTP}}
10. And SMTP; the lab drops what it takes.

   curl -sv --mail-from bob@lab.test --mail-rcpt alice@lab.test -F '=Hello' smtp://{{.SMTP}} 2>&1 | grep queued
{{end}}{{if and .EPM .Admin}}
11. RPC of Outlook: the endpoint mapper at {{.EPM}} names casbah's ports, {{.RPC}} and
   {{.AddressBook}}. Those of the servers are others each time they start, and casbah learns them:

   curl -s http://{{.Admin}}/api/v1/status | grep -A5 '"learned"'
{{end}}`))

// Guide returns what to try with curl and a browser against a casbah in front of
// the array, and what one will see.
func (a *Array) Guide(f Front) string {
	data := struct {
		Servers                                  int
		Domain, Admin, Control, Mail, Plain, TLS string
		POP3, IMAP4, SMTP, EPM, RPC, AddressBook string
		Token                                    string
	}{
		Servers: len(a.cas), Domain: Domain, Admin: f.Admin, Control: f.Control, POP3: f.POP3, IMAP4: f.IMAP4, SMTP: f.SMTP,
		EPM: f.EPM, RPC: f.RPC, AddressBook: f.AddressBook, Token: f.TokenFile,
	}
	switch {
	case f.HTTPS != "":
		data.Mail = "https://" + f.HTTPS
		data.TLS = "--cacert " + f.Cert + " "
		if f.HTTP != "" {
			data.Plain = "http://" + f.HTTP
		}
	case f.HTTP != "":
		data.Mail = "http://" + f.HTTP
	}
	var b strings.Builder
	if err := guideText.Execute(&b, data); err != nil {
		panic("BUG: " + err.Error()) // the template takes every Front
	}
	return strings.TrimLeft(b.String(), "\n")
}
