package lab

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Cookies of OWA 2010. sessionid and cadata are the forms login; UserContext is
// the mailbox session, by which balancers know an OWA client.
const (
	cookieSession     = "sessionid"
	cookieData        = "cadata"
	cookieUserContext = "UserContext"
)

// statusLoginTimeout is what Exchange answers to a request in the background
// whose login it does not know.
const statusLoginTimeout = 440

// pendingTime is how long OWA holds a request for notifications.
const pendingTime = time.Minute

// forms is the forms login of one CAS, which OWA and ECP share. Only the CAS
// that issued its cookies can read them.
type forms struct {
	sessions sessions[*formSession]
}

type formSession struct {
	user        string
	data        string // value of cadata
	userContext string
	canary      string // value of msExchEcpCanary
}

// open logs a user on and sets the cookies.
func (f *forms) open(v *visit, user string) {
	s := &formSession{user: user, data: newTicket(), userContext: newTicket(), canary: newTicket()}
	v.setCookie(cookieSession, f.sessions.open(s))
	v.setCookie(cookieData, s.data)
	v.setCookie(cookieUserContext, s.userContext)
}

// close logs the visitor off and takes the cookies back.
func (f *forms) close(v *visit) {
	f.sessions.drop(v.cookie(cookieSession))
	for _, name := range []string{cookieSession, cookieData, cookieUserContext, cookieCanary} {
		v.dropCookie(name)
	}
}

// session returns the login of the visitor. Without one it answers as Exchange
// does and reports false.
func (f *forms) session(v *visit) (*formSession, bool) {
	s, ok := f.sessions.get(v.cookie(cookieSession))
	if ok && s.data == v.cookie(cookieData) {
		v.known(s.user)
		return s, true
	}
	if v.navigates() {
		v.redirect("/owa/auth/logon.aspx?url=" + url.QueryEscape(v.r.URL.RequestURI()) + "&reason=0")
		return nil, false
	}
	v.rephrase(statusLoginTimeout, "Login Timeout")
	v.answer(statusLoginTimeout, typeHTML, "")
	return nil, false
}

// navigates reports whether a person would see the answer: a browser that opens
// a page, or a first GET without any login. Those are led to the logon page; a
// script in the page gets 440 and asks its person to log on.
func (v *visit) navigates() bool {
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return false
	}
	if mode := v.r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	if v.r.Header.Get("X-Requested-With") != "" {
		return false
	}
	return strings.Contains(v.r.Header.Get("Accept"), "text/html") || v.cookie(cookieSession) == ""
}

// localPath returns where a form wants to go, if that is on this site; a form
// made elsewhere could send a fresh login to another.
func localPath(destination string) string {
	u, err := url.Parse(destination)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return "/owa/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}
