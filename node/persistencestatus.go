package node

import (
	"time"

	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
)

// PersistenceStatus says how a profile of a VIP keeps its clients on their servers.
type PersistenceStatus struct {
	Profile  string
	Chain    []string        // the steps, in order
	Timeout  time.Duration   // of a binding, without use
	Override *Timeout        // by which an operator has set Timeout; nil: the file did
	Inserted *InsertedStatus // nil without insert_cookie

	Companions []string // names of the cookies that go with the application's
}

// InsertedStatus is the cookie that a chain inserts.
type InsertedStatus struct {
	Name    string
	Version int           // 0: Expires, 1: Max-Age
	Timeout time.Duration // 0: until the browser closes

	Format, Path, Domain, SameSite string
	HTTPOnly, Secure               bool
}

// persistenceStatus tells of p on v as its chain is, which may have fewer steps
// than the configuration.
func persistenceStatus(snap *snapshot, v *builtVIP, p *route.Profile) PersistenceStatus {
	rules := snap.config.Profiles[p.Name]
	s := PersistenceStatus{Profile: p.Name, Timeout: rules.BindingTimeout}
	if o, ok := snap.timeouts[p.Name]; ok {
		s.Override = &o
	}
	for i := 0; p.Chain.StepName(i) != ""; i++ {
		s.Chain = append(s.Chain, p.Chain.StepName(i))
	}
	for i := range rules.Chain {
		if step := &rules.Chain[i]; step.By == persistence.InsertCookie.String() {
			s.Inserted = &InsertedStatus{
				Name: profiles.InsertedName(v.conf, rules, step), Version: step.CookieVersion, Timeout: step.CookieTimeout,
				Format: step.Format, Path: step.Path, Domain: step.Domain, SameSite: step.SameSite,
				HTTPOnly: step.HTTPOnly, Secure: step.Secure,
			}
		}
		if step := &rules.Chain[i]; step.Companion {
			s.Companions = append(s.Companions, profiles.CompanionName(v.conf, rules, step.Name))
		}
	}
	return s
}
