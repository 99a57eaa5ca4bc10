package lab

import (
	"bytes"
	"html/template"
	"net/http"
)

// page is what the pages of OWA and ECP show.
type page struct {
	Server, User, Destination string
	Wrong                     bool // user name or password were
	Number, Previous, Next    int
	Total                     int // messages
}

const pageHead = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Server}}: Outlook Web App</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 3em auto; max-width: 38em; color: #223; }
header { border-bottom: 3px solid #06c; margin-bottom: 1.5em; } h1 { font-size: 1.4em; margin: 0; }
label { display: block; margin: .6em 0; } nav a { margin-right: 1em; } .wrong { color: #b00; }
#server { color: #06c; font-weight: bold; }
</style></head><body>
<header><h1>Outlook Web App on <span id="server">{{.Server}}</span></h1></header>
`

var (
	pageLogon = template.Must(template.New("logon").Parse(pageHead + `
<form action="/owa/auth/owaauth.dll" method="POST" name="logonForm" autocomplete="off">
<input type="hidden" name="destination" value="{{.Destination}}">
<input type="hidden" name="flags" value="0">
{{if .Wrong}}<p class="wrong">The user name or password you entered isn't correct. Try entering it again.</p>{{end}}
<label>Domain\user name: <input id="username" name="username" autofocus></label>
<label>Password: <input id="password" name="password" type="password"></label>
<input type="submit" value="Sign in">
</form>
<p>Connected to Microsoft Exchange, as {{.Server}} simulates it. Not by Microsoft Corporation.</p>
</body></html>
`))

	pageMail = template.Must(template.New("mail").Parse(pageHead + `
<p>Signed in as <strong id="user">{{.User}}</strong>, page <span id="page">{{.Number}}</span>,
<span id="total">{{.Total}}</span> new messages.</p>
<ul>
<li>Message {{.Number}}.1 for {{.User}}, read on {{.Server}}</li>
<li>Message {{.Number}}.2 for {{.User}}, read on {{.Server}}</li>
<li>Message {{.Number}}.3 for {{.User}}, read on {{.Server}}</li>
</ul>
<nav><a id="previous" href="/owa/?page={{.Previous}}">Previous</a>
<a id="next" href="/owa/?page={{.Next}}">Next</a>
<a href="/ecp/">Options</a>
<a id="logoff" href="/owa/auth/logoff.aspx">Sign out</a></nav>
</body></html>
`))

	pageLogoff = template.Must(template.New("logoff").Parse(pageHead + `
<p>You have signed out. <a href="/owa/">Sign in again</a>.</p>
</body></html>
`))

	pageOptions = template.Must(template.New("options").Parse(pageHead + `
<h2>Exchange Control Panel</h2>
<p>Options of <strong id="user">{{.User}}</strong> on {{.Server}}.</p>
<nav><a href="/owa/">Mail</a></nav>
</body></html>
`))
)

// render answers with a page.
func (v *visit) render(t *template.Template, p page) {
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		panic("BUG: " + err.Error()) // the templates take every page
	}
	v.answer(http.StatusOK, typeHTML, b.String())
}
