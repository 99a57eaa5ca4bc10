package lab

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	typeHTML = "text/html; charset=utf-8"
	typeXML  = "text/xml; charset=utf-8"
	typeSOAP = "application/soap+xml; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// maxBody is the longest request body that a directory reads whole, in octets.
const maxBody = 1 << 20

// visit is one request at one CAS.
type visit struct {
	cas  *CAS
	w    http.ResponseWriter
	r    *http.Request
	conn *conn
	user string // once known
	beat int    // of the array when the request came
}

// newVisit also names the server and the connection on the answer, so that a
// test can see where a request went.
func (s *CAS) newVisit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{cas: s, w: w, r: r, conn: connOf(r.Context())}
	v.beat, _ = s.array.beats.watch()
	v.conn.cut.Store(-1)     // a fault of an earlier request may be over
	v.conn.phrase.Store(nil) // and its answer may have had another status
	v.set("Server", "Microsoft-IIS/7.5")
	v.set("X-Powered-By", "ASP.NET")
	v.set("X-Lab-Server", s.name)
	v.set("X-Lab-Conn", fmt.Sprintf("%s-%d", s.name, v.conn.number))
	return v
}

// set puts a field on the answer in the spelling given; net/http's own setter
// would turn MS-ASProtocolVersions into Ms-Asprotocolversions, which old clients
// do not know.
func (v *visit) set(name, value string) { v.w.Header()[name] = []string{value} }

// add adds a line to a field.
func (v *visit) add(name, value string) {
	v.w.Header()[name] = append(v.w.Header()[name], value)
}

// known notes who the visitor is and says so on the answer.
func (v *visit) known(user string) {
	v.user = user
	v.set("X-Lab-User", user)
	v.tellHome()
}

// answer writes a whole answer.
func (v *visit) answer(code int, contentType, body string) {
	v.set("Content-Type", contentType)
	v.set("Content-Length", fmt.Sprint(len(body)))
	v.w.WriteHeader(code)
	_, _ = io.WriteString(v.w, body) // a client that left is no concern of the handler
}

func (v *visit) text(code int, body string) { v.answer(code, typeText, body) }

func (v *visit) redirect(location string) {
	v.set("Location", location)
	v.answer(http.StatusFound, typeHTML, "")
}

// rephrase orders the reason phrase of the next answer with that code.
func (v *visit) rephrase(code int, reason string) {
	v.conn.phrase.Store(&phrase{code, reason})
}

// send writes p and lets it leave at once. It reports whether the client is
// still there.
func (v *visit) send(p string) bool {
	if _, err := io.WriteString(v.w, p); err != nil {
		return false
	}
	return http.NewResponseController(v.w).Flush() == nil
}

// body reads the request body, answers 413 if it is too long, and reports
// whether the directory may go on.
func (v *visit) body() (string, bool) {
	p, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxBody))
	if err != nil {
		v.text(http.StatusRequestEntityTooLarge, "")
		return "", false
	}
	return string(p), true
}

// cookie returns the value of a request cookie, "" without it.
func (v *visit) cookie(name string) string {
	c, err := v.r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie puts a session cookie for the whole site on the answer.
func (v *visit) setCookie(name, value string) {
	v.add("Set-Cookie", name+"="+value+"; path=/; HttpOnly"+v.secureAttribute())
}

// dropCookie takes a cookie back in the way Exchange does, by a past expiry.
func (v *visit) dropCookie(name string) {
	v.add("Set-Cookie", name+"=; expires=Thu, 01-Jan-1970 00:00:00 GMT; path=/"+v.secureAttribute())
}

// secureAttribute marks a cookie secure when the client came by TLS, here or, as
// Front-End-Https says, at a balancer in front.
func (v *visit) secureAttribute() string {
	if v.conn.secure || strings.EqualFold(v.r.Header.Get("Front-End-Https"), "on") {
		return "; secure"
	}
	return ""
}

// pathUnder returns the path in lower case below the directory that serves it.
func (v *visit) pathUnder() string {
	path := strings.ToLower(v.r.URL.Path)
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1+i:]
	}
	return ""
}
