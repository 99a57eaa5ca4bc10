package route

import (
	"fmt"

	"casbah/balance"
	"casbah/persistence"
)

// is says a loss of a server in a sentence.
func (l Loss) is() string {
	return [...]string{
		"is not used", "is down", "is in maintenance", "drains and does not keep this client",
		"is not in the pool any more", "could not be reached",
	}[l]
}

// sentence says in one sentence why the decision was taken.
func (j *judged) sentence() string {
	switch {
	case j.outcome == Held:
		return j.bound(j.lossAt) + ", which " + j.loss.is() + ", and fallback = false keeps the client from every other server: 502"
	case j.outcome == NoServer && j.tried != 0:
		return j.lead() + "no server of pool " + j.names.Pool + " is left that could be reached: 502"
	case j.outcome == NoServer:
		return j.lead() + "no server of pool " + j.names.Pool + " takes requests of profile " + j.names.Profile + ": 503"
	case j.outcome == Full && j.chosen < 0:
		return j.lead() + "every server of pool " + j.names.Pool + " that takes new clients is full: the client waits for a place at any of them"
	case j.outcome == Full && j.pinned:
		return "the connection to " + j.server() + " carries an identity (NTLM, Negotiate or Kerberos), and stays with it; the server is full: " + awaits
	case j.outcome == Full:
		return j.bound(j.used()) + ", which is full: " + awaits
	case j.pinned:
		return "the connection to " + j.server() + " carries an identity (NTLM, Negotiate or Kerberos), and stays with it"
	case j.aside:
		return fmt.Sprintf("%s, which serves the group and for profile %s %s: %s, and no binding moves",
			j.bound(j.used()), j.names.Profile, j.loss.is(), j.picks())
	}
	switch j.walk.Why {
	case persistence.Bound:
		return j.bound(j.used())
	case persistence.Conflict:
		return fmt.Sprintf("%s, and that is a confirmed identity; %s, so more than one client has that address", j.bound(j.used()), j.bound(j.overruled()))
	case persistence.Strict:
		return fmt.Sprintf("%s and decides, as strict_order = true says; %s, so more than one client has that address", j.bound(j.used()), j.bound(j.overruled()))
	case persistence.Rebound:
		if used := j.used(); used >= 0 {
			return j.lead() + j.bound(used) + " and decides" + j.binds()
		}
	default: // no step has decided
	}
	return j.lead() + j.picks() + j.binds()
}

// awaits says what becomes of a client whose server is full.
const awaits = "the client waits for a place there"

// lead says why no step has decided.
func (j *judged) lead() string {
	switch {
	case j.aside:
		return fmt.Sprintf("%s, which serves the group and for profile %s %s; ", j.bound(j.used()), j.names.Profile, j.loss.is())
	case j.walk.Why == persistence.Rebound:
		return j.bound(j.lossAt) + ", which " + j.loss.is() + ": "
	case j.walk.Why == persistence.Fresh:
		return "nothing that the client shows is bound to a server yet: "
	case j.walk.Why == persistence.Spread:
		return j.crowd() + ", so it does not decide, and nothing else that the client shows is bound to a server yet: "
	case j.walk.Why == persistence.NoKey:
		return "the client shows nothing that the chain knows it by: "
	default:
		return ""
	}
}

// bound says what reading i is bound to.
func (j *judged) bound(i int) string {
	if i < 0 || i >= j.walk.N {
		return "another step decided"
	}
	rd := &j.walk.Readings[i]
	if rd.Key.IsZero() {
		return fmt.Sprintf("step %s names %s", j.stepName(rd), j.serverName(rd.Server))
	}
	return fmt.Sprintf("step %s is bound to %s", j.stepName(rd), j.serverName(rd.Server))
}

// crowd says of the shared address how many clients it carries.
func (j *judged) crowd() string {
	for i := range j.walk.Readings[:j.walk.N] {
		switch rd := &j.walk.Readings[i]; rd.Crowd {
		case persistence.Listed:
			return "the client's address is one of shared_networks"
		case persistence.Counted:
			return fmt.Sprintf("the client's address carries about %d clients", rd.Clients)
		default: // of one client, as far as is known, or several
		}
	}
	return "the client's address carries many clients"
}

// used returns the index of the reading that gave the candidate, or -1.
func (j *judged) used() int { return j.find(persistence.Decided) }

// overruled returns the index of the first reading that did not get its way, or -1.
func (j *judged) overruled() int { return j.find(persistence.Overruled) }

func (j *judged) find(u persistence.Use) int {
	for i := range j.walk.Readings[:j.walk.N] {
		if j.walk.Readings[i].Use == u {
			return i
		}
	}
	return -1
}

// picks says what the algorithm did.
func (j *judged) picks() string {
	switch n := j.eligible(); {
	case j.seated:
		return "the client has waited for a place, and " + j.server() + " had the first"
	case j.housed:
		return j.server() + " holds the mailbox, as the servers have told, and the pool says placement = \"prefer\""
	case n > 1:
		return fmt.Sprintf("%s chooses %s of %d servers", j.names.Algorithm, j.server(), n)
	case j.open&j.full != 0:
		return j.server() + " is the only server that takes new clients and is not full"
	default:
		return j.server() + " is the only server that takes new clients"
	}
}

// binds says what becomes of what the client has shown.
func (j *judged) binds() string {
	for i := range j.walk.Readings[:j.walk.N] {
		rd := &j.walk.Readings[i]
		if rd.Use == persistence.Unbound && !rd.Key.IsZero() || rd.Use == persistence.Vanished {
			return ", and the client is bound to it"
		}
	}
	return ""
}

// notes says what else an operator should know.
func (j *judged) notes() []string {
	var notes []string
	if j.panics {
		notes = append(notes, "so few servers are up that panic_below is in effect: all that are not in maintenance are used")
	}
	for i := range j.walk.Readings[:j.walk.N] {
		if rd := &j.walk.Readings[i]; rd.Crowd.Shared() && rd.Use != persistence.Shared {
			notes = append(notes, j.crowd()+", and decides nevertheless: the request does not show who it is of, and the chain issues no cookie")
		}
	}
	if j.open&j.backups != 0 {
		notes = append(notes, "backup: no ordinary server takes traffic")
	} else if j.chosen >= 0 && j.backups.Has(j.chosen) {
		notes = append(notes, j.server()+" is a backup whose time is over: clients that are bound to it stay until their binding ends")
	}
	if j.unknown() {
		notes = append(notes, "no server has been probed yet: until then all of them are used")
	}
	if j.names.Algorithm == "random_two" && j.eligible() > 1 && (j.walk.Server == 0 || j.aside) && !j.pinned && !j.housed {
		notes = append(notes, "random_two draws lots: the next request may draw another server")
	}
	if j.names.Algorithm == "source_hash" && j.walk.Why == persistence.Spread {
		notes = append(notes, "source_hash goes by who the client is; where nothing tells, the next request may go to another server")
	}
	return notes
}

// unknown reports whether nothing is known of any candidate.
func (j *judged) unknown() bool {
	for i := range j.names.Servers {
		if balance.State(j.states[i].state) != balance.Unknown {
			return false
		}
	}
	return len(j.names.Servers) > 0
}
