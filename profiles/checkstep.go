package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// MaxSteps is how many steps a chain may have.
const MaxSteps = 8

// farFuture is the life of a cookie from which on a client could be locked out
// for long: more than a working day.
const farFuture = 24 * time.Hour

// chainOf checks the chain that the site wrote for a profile, whatever VIPs use
// it; see steps for what depends on their type.
func (k *checker) chainOf(p place, pr *Profile) {
	if k.written(p) {
		if len(pr.Chain) > MaxSteps {
			k.mistake(p, fmt.Sprintf("at most %d steps", MaxSteps), len(pr.Chain))
		}
		for i := range pr.Chain {
			k.step(p.item(i, ""), pr, i)
		}
	}
	k.lockOut(p, pr)
	k.nobody(p, pr)
}

func (k *checker) step(p place, pr *Profile, i int) {
	s, by := &pr.Chain[i], p.key("by")
	can := choice{now: stepsFor(carriers[pr.Protocol]...), later: methods.later}
	switch {
	case s.By == "" && !k.written(by):
		k.mistake(by, oneOf(can.now), nothing)
		return
	case !methods.known(s.By):
		k.mistake(by, oneOf(can.now), s.By)
		return
	case !intersect(fits[s.By], carriers[pr.Protocol]):
		k.mistake(by, "a step that a profile of protocol "+pr.Protocol+" can have ("+listWords(can.now)+")", s.By)
		return
	}
	k.choose(by, can, s.By)
	k.stepKeys(p, s)
	for _, o := range pr.Chain[:i] {
		if s.By != byNone && o.By == s.By && (o.reads() == s.reads() || s.By == byInsertCookie) {
			k.mistake(by, "a step that the chain does not have yet", s.By)
		}
	}
	k.stepName(p.key("name"), s)
	switch s.By {
	case byCookie:
		k.choose(p.key("origin"), cookieOrigins, s.Origin)
		k.companion(p.key("companion"), pr, s)
	case bySourceIP, bySrcDestIP:
		k.between(p.key("prefix4"), s.Prefix4, 1, 32)
		k.between(p.key("prefix6"), s.Prefix6, 1, 128)
	case byInsertCookie:
		k.attributes(p, s)
		k.format(p.key("format"), s)
	case byServerID:
		k.choose(p.key("in"), idPlaces, s.In)
	case byRule:
		k.expression(p.key("expression"), s)
	case byRPCConn:
		k.rpcConnection(by, pr, i)
	case byRPCAssoc:
		k.rpcAssociation(by, pr)
	}
}

// rpcAssociation refuses the step where clients wait for the server to speak
// first: casbah would wait for their bind, and they for a server.
func (k *checker) rpcAssociation(p place, pr *Profile) {
	if protocol := MailProtocol(pr); protocol != "" {
		k.mistake(p, "another step: clients of "+protocol+" say nothing before the server has greeted them", byRPCAssoc)
	}
}

// rpcConnection refuses the step where no request opens a channel, and notes what
// decides before it: an address may lead the two channels apart.
func (k *checker) rpcConnection(p place, pr *Profile, i int) {
	for _, m := range []string{"RPC_IN_DATA", "RPC_OUT_DATA"} {
		if !slices.Contains(pr.Methods, m) {
			k.mistake(p, "another step: the profile has no channels of RPC over HTTP, as its methods lack "+m, byRPCConn)
			return
		}
	}
	if i > 0 && slices.ContainsFunc(pr.Chain[:i], func(s Step) bool { return s.By != byNone }) {
		k.note(p, "a step before it decides first, and may send the two channels of a connection to different servers")
	}
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// stepKeys refuses keys that mean nothing for the method.
func (k *checker) stepKeys(p place, s *Step) {
	for _, key := range sorted(keysOf(stepType)) {
		if key != "by" && !slices.Contains(stepKeys[s.By], key) && methods.has(s.By) {
			k.leftOut(p.key(key), "it means nothing for "+s.By, key)
		}
	}
}

// tokenForm is the name of a header or cookie (RFC 9110, Section 5.6.2).
var tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

// insertedForm is the name of casbah's own cookie: what no client takes amiss.
var insertedForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// stepName checks the name of a cookie, header or, in url_server_id, the text
// before the ID.
func (k *checker) stepName(p place, s *Step) {
	what := map[string]string{
		byCookie:      `the name of a cookie, or "*" for any`,
		byHeader:      "the name of a header",
		byURLServerID: `the text before the server's ID in the URL, such as "sid="`,
		byServerID:    "the name of a query parameter, header or cookie, of letters, digits, dot, dash or underscore, at most 64",
	}[s.By]
	switch {
	case what != "" && s.Name == "" && !k.written(p):
		k.mistake(p, what, nothing)
	case s.By == byInsertCookie && s.Format == formatNetscaler && netscalerForm.MatchString(s.Name): // as the appliances name it
	case s.By == byInsertCookie && (s.Name != "" || k.written(p)) && !insertedForm.MatchString(s.Name):
		k.mistake(p, "letters, digits, dash or underscore, at most 64", s.Name)
	case s.By == byCookie && s.Name == "*" && s.Origin == "client":
		k.mistake(p, "the name of a cookie where the client makes it", s.Name)
	case s.By == byURLServerID && !idTokenForm.MatchString(s.Name), s.By == byServerID && !idNameForm.MatchString(s.Name),
		(s.By == byCookie || s.By == byHeader) && !tokenForm.MatchString(s.Name),
		s.By == byHeader && s.Name == "*":
		k.mistake(p, what, s.Name)
	}
}

// attributes checks what the inserted cookie tells the client.
func (k *checker) attributes(p place, s *Step) {
	k.cookieVersion(p.key("version"), s.CookieVersion)
	k.lastsOrOff(p.key("timeout"), s.CookieTimeout, time.Second, 400*24*time.Hour)
	if s.CookieTimeout%time.Second != 0 && s.CookieTimeout > time.Second {
		k.mistake(p.key("timeout"), "whole seconds", s.CookieTimeout)
	}
	if s.Domain != "" && !isHostname(strings.TrimPrefix(s.Domain, ".")) {
		k.mistake(p.key("domain"), `a domain such as "example.org"`, s.Domain)
	}
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ';' || c == ',' }
	if !strings.HasPrefix(s.Path, "/") || strings.ContainsFunc(s.Path, odd) {
		k.mistake(p.key("path"), `a path such as "/"`, s.Path)
	}
	if s.SameSite != "" && !sameSites.has(s.SameSite) {
		k.mistake(p.key("same_site"), sameSites.want(s.SameSite), s.SameSite)
	}
	if s.SameSite == "None" && !s.Secure {
		k.mistake(p.key("same_site"), "Strict or Lax, or secure = true beside it", s.SameSite)
	}
}

// lockOut notes a cookie that outlives its server: without fallback the client
// gets 502 for as long as it shows the cookie.
func (k *checker) lockOut(p place, pr *Profile) {
	if pr.Fallback {
		return
	}
	for i := range pr.Chain {
		if s := &pr.Chain[i]; s.By == byInsertCookie && s.CookieTimeout > farFuture {
			k.note(p.item(i, "").key("timeout"),
				"with fallback = false, a client whose server is gone gets 502 until the cookie ends, for up to %s", brief(s.CookieTimeout))
		}
	}
}

// nobody notes an Authorization step where no login of the profile sends that
// header.
func (k *checker) nobody(p place, pr *Profile) {
	senders := []string{"basic", "ntlm", "negotiate", "bearer"}
	if !k.written(p) || len(pr.Auth) == 0 || intersect(pr.Auth, senders) {
		return
	}
	for i := range pr.Chain {
		if s := &pr.Chain[i]; s.By == byHeader && strings.EqualFold(s.Name, "Authorization") {
			k.note(p.item(i, "").key("name"), "no login of the profile's auth (%s) sends Authorization", listWords(pr.Auth))
		}
	}
}
