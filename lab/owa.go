package lab

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// owa is Outlook Web App: a forms login and pages of mail, in a session that
// lives on one CAS.
type owa struct {
	cas *CAS
}

func (o *owa) serve(v *visit) {
	v.set("X-OWA-Version", "14.3.123.3")
	v.set("Cache-Control", "no-cache, no-store")
	switch path := v.pathUnder(); {
	case strings.HasSuffix(path, "/owaauth.dll"), strings.HasSuffix(path, "/auth.owa"):
		o.logon(v)
	case path == "/auth/logon.aspx":
		o.logonPage(v)
	case path == "/auth/logoff.aspx", path == "/logoff.owa":
		v.cas.forms.close(v)
		v.render(pageLogoff, page{Server: v.cas.name})
	case path == "/ev.owa", path == "/ev.owa2":
		o.event(v)
	default:
		o.mail(v)
	}
}

// logonPage shows the form.
func (o *owa) logonPage(v *visit) {
	q := v.r.URL.Query()
	v.render(pageLogon, page{
		Server:      v.cas.name,
		Destination: localPath(q.Get("url")),
		Wrong:       q.Get("reason") == "2",
	})
}

// logon takes the form.
func (o *owa) logon(v *visit) {
	if v.r.Method != http.MethodPost {
		v.redirect("/owa/auth/logon.aspx")
		return
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxBody)
	if err := v.r.ParseForm(); err != nil {
		v.text(http.StatusBadRequest, "")
		return
	}
	destination := localPath(v.r.PostForm.Get("destination"))
	user, ok := v.cas.array.users.check(v.r.PostForm.Get("username"), v.r.PostForm.Get("password"))
	if !ok {
		v.cas.counters.refused.Add(1)
		v.redirect("/owa/auth/logon.aspx?url=" + url.QueryEscape(destination) + "&reason=2")
		return
	}
	v.cas.counters.logons.Add(1)
	v.cas.forms.open(v, user)
	v.known(user)
	v.redirect(destination)
}

// mail shows one page of the mailbox.
func (o *owa) mail(v *visit) {
	s, ok := v.cas.forms.session(v)
	if !ok {
		return
	}
	if v.cookie(cookieUserContext) != s.userContext {
		v.setCookie(cookieUserContext, s.userContext) // lost or foreign: OWA issues it again
	}
	number, err := strconv.Atoi(v.r.URL.Query().Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	v.render(pageMail, page{
		Server: v.cas.name, User: s.user, Number: number, Total: v.mailNow(),
		Previous: max(number-1, 1), Next: number + 1,
	})
}

// event answers the scripts of the page. PendingRequest is held open and tells
// of new mail.
func (o *owa) event(v *visit) {
	if _, ok := v.cas.forms.session(v); !ok {
		return
	}
	if !strings.EqualFold(v.r.URL.Query().Get("ns"), "PendingRequest") {
		v.answer(http.StatusOK, typeHTML, "<div id=res>"+v.user+"</div>")
		return
	}
	since := v.mailNow() // before the client can know that it is waited for
	v.set("Content-Type", typeHTML)
	if !v.send("<script>stPend();</script>\r\n") {
		return
	}
	v.hold(hold{
		limit:    pendingTime,
		interval: v.cas.array.options.Interval,
		since:    since,
		tick:     func() bool { return v.send("<script>kpAlv();</script>\r\n") },
		mail:     func(total int) bool { return v.send(fmt.Sprintf("<script>newMail(%d);</script>\r\n", total)) },
	})
}
