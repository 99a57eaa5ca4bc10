package profiles

import (
	"fmt"
	"slices"
	"strconv"
)

// served checks the profiles of a VIP, one by one and against each other.
func (k *checker) served(p place, v *VIP, pool *Pool) {
	known := sorted(k.c.Profiles)
	if len(v.Profiles) == 0 {
		k.mistake(p, oneOfNames("profile", "", known), nothing)
	}
	paths := make(map[string]string) // path, profile that has it
	for i, name := range v.Profiles {
		at := p.value(i)
		pr := k.c.Profiles[name]
		if pr == nil {
			k.mistake(at, oneOfNames("profile", name, known), name)
			continue
		}
		if !k.once(at, i, name, v.Profiles, p.value) || !k.carried(at, v, pr) {
			continue
		}
		for _, path := range pr.Paths {
			if o := paths[path]; o != "" && o != name {
				k.mistake(at, fmt.Sprintf("a profile with other paths than %s (both have %s)", o, path), name)
			}
			paths[path] = name
		}
		k.httpsRedirect(at, v, pr)
		k.extendedProtection(at, v, pr, pool)
		k.personal(v, pr, pool)
		k.deepSafe(pr, pool)
		k.steps(at, v, pr, pool)
	}
}

// carried checks that a VIP of that type can carry the profile's protocol.
func (k *checker) carried(p place, v *VIP, pr *Profile) bool {
	if !vipTypes.known(v.Type) || !protocols.has(pr.Protocol) || slices.Contains(carriers[pr.Protocol], v.Type) {
		return true
	}
	var fit []string
	for _, protocol := range protocols.now {
		if slices.Contains(carriers[protocol], v.Type) {
			fit = append(fit, protocol)
		}
	}
	k.mistake(p, fmt.Sprintf("a profile of protocol %s, as the VIP is of type %s", orWords(fit), v.Type),
		words(strconv.Quote(pr.Name)+" of protocol "+pr.Protocol))
	return false
}

// extendedProtection refuses what Exchange would answer with 401 for ever: a
// login that is tied to a TLS connection which ends at casbah.
func (k *checker) extendedProtection(p place, v *VIP, pr *Profile, pool *Pool) {
	if pr.ExtendedProtection != "require" || pool == nil || !slices.Contains(httpTypes, v.Type) {
		return
	}
	const cause = ", because Extended Protection ties the login to its TLS; or profile.%s.extended_protection = \"none\""
	switch {
	case v.Type == "http" && pr.HTTPSRedirect: // nobody logs in there
	case v.Type == "http":
		k.mistake(p, fmt.Sprintf("an https VIP"+cause, pr.Name), words(strconv.Quote(pr.Name)+" on an http VIP"))
	case pool.UpstreamTLS == "off":
		k.mistake(p, fmt.Sprintf("a pool with upstream_tls = \"on\""+cause, pr.Name),
			words(strconv.Quote(pr.Name)+" on pool "+strconv.Quote(pool.Name)+" with upstream_tls = \"off\""))
	}
}

// steps checks the chain against the type of the VIP. A step of the site's that
// cannot be there is a mistake; a shipped one yields no key, which is noted.
func (k *checker) steps(p place, v *VIP, pr *Profile, pool *Pool) {
	chain := profilePlace(pr.Name).key("chain")
	for i := range pr.Chain {
		s := &pr.Chain[i]
		at := chain.item(i, "")
		fit := slices.Contains(fits[s.By], v.Type)
		switch {
		case !methods.known(s.By) || !vipTypes.known(v.Type):
		case !fit && k.written(chain):
			k.mistake(at.key("by"), fmt.Sprintf("a step that VIP %q of type %s can have (%s)", v.Name, v.Type,
				listWords(stepsFor(v.Type))), s.By)
		case !fit:
			k.note(p, "profile %s: step %s yields no key on a VIP of type %s", pr.Name, s.By, v.Type)
		case !reads(s.By, v.Type) && !k.written(chain):
			k.note(p, "profile %s: step %s yields no key (%s)", pr.Name, s.By, notInThis)
		case methods.has(s.By) && !reads(s.By, v.Type):
			k.choose(at.key("by"), choice{now: stepsFor(v.Type), later: []string{s.By}}, s.By)
		case s.By == byInsertCookie:
			k.inserted(at, v, pr, s)
		case s.By == byServerID:
			k.serverIDs(pool, pr)
		}
	}
}

// inserted checks a cookie of casbah's against the VIP that sends it.
func (k *checker) inserted(p place, v *VIP, pr *Profile, s *Step) {
	if s.Secure && v.Type == "http" {
		k.mistake(p.key("secure"), fmt.Sprintf("false, because clients of the plain http VIP %q would drop the cookie", v.Name), true)
	}
	if s.Domain == "" {
		return
	}
	for _, h := range v.Hosts {
		if !under(h, s.Domain) {
			k.note(p.key("domain"), "profile %s: clients of %s on VIP %q reject the cookie: the name is not under %s",
				pr.Name, h, v.Name, s.Domain)
		}
	}
}
