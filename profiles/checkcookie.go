package profiles

import "fmt"

// inserted is one cookie of casbah's: a step of a profile on a VIP.
type inserted struct {
	vip     *VIP
	profile *Profile
	step    *Step
	place   place // of what can be changed to give it another name
}

func (u *inserted) scope() string { return Scope(u.vip, u.profile) }

func (u *inserted) name() string { return InsertedName(u.vip, u.profile, u.step) }

// insertedCookies checks that no two scopes insert a cookie of one name, and
// that no application cookie which a chain reads has it too: a browser keeps one
// of them only.
func (k *checker) insertedCookies() {
	application := k.applicationCookies()
	seen := make(map[string][]*inserted)
	for _, u := range k.allInserted() {
		if other, ok := application[u.step.Name]; ok {
			k.mistake(u.place, "a name that no application cookie has (profile "+other+" reads it)", u.step.Name)
		}
		k.distinct(u, seen[u.name()])
		seen[u.name()] = append(seen[u.name()], u)
	}
}

// allInserted returns the inserted cookies of all VIPs, in the order of the file.
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
				if u.step.Name == "" {
					u.place = vipPlace(i, v).key("profiles").value(j)
				}
				if u.step.By == byInsertCookie {
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
// name stands for one scope.
func (k *checker) distinct(u *inserted, others []*inserted) {
	for _, o := range others {
		if o.scope() != u.scope() && (u.step.Name == "" || o.vip == u.vip) {
			k.mistake(u.place, fmt.Sprintf("another cookie name than that of profile %s on VIP %q", o.profile.Name, o.vip.Name), u.name())
			return
		}
	}
}
