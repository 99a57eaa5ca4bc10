package lab

import "net/http"

// cookieCanary is the cookie of a session in the control panel, which scripts
// send back as a header or in the query.
const cookieCanary = "msExchEcpCanary"

// ecp is the Exchange Control Panel. It has no login of its own: that of OWA on
// the same CAS serves it.
type ecp struct {
	cas *CAS
}

func (e *ecp) serve(v *visit) {
	s, ok := e.cas.forms.session(v)
	if !ok {
		return
	}
	v.set("Cache-Control", "no-cache, no-store")
	if v.r.Method == http.MethodPost {
		e.post(v, s)
		return
	}
	if v.cookie(cookieCanary) != s.canary {
		v.add("Set-Cookie", cookieCanary+"="+s.canary+"; path=/ecp"+v.secureAttribute())
	}
	v.render(pageOptions, page{Server: v.cas.name, User: s.user})
}

// post answers a script of the panel, if it proves by the canary that the page
// it runs in came from this session.
func (e *ecp) post(v *visit, s *formSession) {
	given := v.r.URL.Query().Get(cookieCanary)
	if given == "" {
		given = v.r.Header.Get(cookieCanary)
	}
	if given != s.canary || v.cookie(cookieCanary) != s.canary {
		v.rephrase(statusLoginTimeout, "Login Timeout")
		v.answer(statusLoginTimeout, typeHTML, "")
		return
	}
	v.answer(http.StatusOK, "application/json; charset=utf-8", `{"d":{"User":"`+s.user+`","Server":"`+v.cas.name+`"}}`)
}
