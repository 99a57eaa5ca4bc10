package profiles

import (
	"fmt"
	"regexp"
	"slices"
)

// The formats of an inserted cookie.
const (
	formatCasbah    = "casbah"
	formatNetscaler = "netscaler"
)

// netscalerForm is the name of a cookie of format netscaler: it may hold dots, as
// the names of VIPs do.
var netscalerForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,68}$`)

// cookieVersion checks which attribute ends a cookie.
func (k *checker) cookieVersion(p place, version int) {
	if version != 0 && version != 1 {
		k.mistake(p, "0 (Expires) or 1 (Max-Age)", version)
	}
}

// format checks what the inserted cookie holds.
func (k *checker) format(p place, s *Step) {
	if k.choose(p, cookieFormats, s.Format) && s.Format == formatNetscaler {
		k.note(p, "clients see the address and port of their server in the cookie, and can choose among the servers of the pool")
	}
}

// companion checks that a cookie can have a companion. The cookie that stands
// alone and the one that goes with the application's are two answers to one
// question, so that a profile has one of them.
func (k *checker) companion(p place, pr *Profile, s *Step) {
	switch {
	case !s.Companion:
	case s.Origin == "client":
		k.mistake(p, "false where the client makes the cookie", true)
	case s.Name == "*":
		k.mistake(p, `false where name is "*": a companion goes with one cookie`, true)
	case slices.ContainsFunc(pr.Chain, func(o Step) bool { return o.By == byInsertCookie }):
		k.mistake(p, "false beside a step insert_cookie: a profile has a companion or an inserted cookie", true)
	}
}

// inserted is one cookie of casbah's: a step of a profile on a VIP.
type inserted struct {
	vip     *VIP
	profile *Profile
	step    *Step
	place   place // of what can be changed to give it another name
}

// what tells apart cookies that must not have one name.
func (u *inserted) what() string {
	s := u.step.By + " " + u.step.Format + " " + Scope(u.vip, u.profile)
	if u.step.By == byCookie {
		s += " " + u.step.Name
	}
	return s
}

func (u *inserted) name() string {
	if u.step.By == byCookie {
		return CompanionName(u.vip, u.profile, u.step.Name)
	}
	return InsertedName(u.vip, u.profile, u.step)
}

// chosen reports whether a site chose the name.
func (u *inserted) chosen() bool { return u.step.By == byInsertCookie && u.step.Name != "" }

// insertedCookies checks that no two scopes insert a cookie of one name, and
// that no application cookie which a chain reads has it too: a browser keeps one
// of them only.
func (k *checker) insertedCookies() {
	application := k.applicationCookies()
	seen := make(map[string][]*inserted)
	for _, u := range k.allInserted() {
		if other, ok := application[u.name()]; ok {
			k.mistake(u.place, "a name that no application cookie has (profile "+other+" reads it)", u.name())
		}
		k.distinct(u, seen[u.name()])
		seen[u.name()] = append(seen[u.name()], u)
	}
}

// allInserted returns the cookies that casbah sets on all VIPs, in the order of
// the file.
func (k *checker) allInserted() []*inserted {
	var all []*inserted
	for i := range k.c.VIPs {
		v := &k.c.VIPs[i]
		for j, name := range v.Profiles {
			pr := k.c.Profiles[name]
			if pr == nil {
				continue
			}
			for n := range pr.Chain {
				u := &inserted{v, pr, &pr.Chain[n], profilePlace(name).key("chain").item(n, "").key("name")}
				if !u.chosen() {
					u.place = vipPlace(i, v).key("profiles").value(j)
				}
				if u.step.By == byInsertCookie || u.step.By == byCookie && u.step.Companion {
					all = append(all, u)
				}
			}
		}
	}
	return all
}

// applicationCookies returns the profile that reads each application cookie.
func (k *checker) applicationCookies() map[string]string {
	by := make(map[string]string)
	for _, name := range sorted(k.c.Profiles) {
		for _, s := range k.c.Profiles[name].Chain {
			if s.By == byCookie && s.Name != "" && s.Name != "*" {
				by[s.Name] = name
			}
		}
	}
	return by
}

// distinct checks u against the uses of the same cookie name so far. A name
// that a site chose may serve several VIPs, as their hosts differ; a derived
// name stands for one scope. What the netscaler format says holds for the whole
// VIP, as its profiles have one pool.
func (k *checker) distinct(u *inserted, others []*inserted) {
	for _, o := range others {
		if o.vip == u.vip && o.step.Format == formatNetscaler && u.step.Format == formatNetscaler {
			continue
		}
		if o.what() != u.what() && (!u.chosen() || o.vip == u.vip) {
			k.mistake(u.place, fmt.Sprintf("another cookie name than that of profile %s on VIP %q", o.profile.Name, o.vip.Name), u.name())
			return
		}
	}
}
