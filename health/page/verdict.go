package page

import (
	"fmt"
	"slices"
	"time"
)

// level is how bad a thing is; it picks the shape and colour that go with its words.
type level string

const (
	fine level = "ok"
	note level = "note" // somebody wanted it, or it passes by itself
	warn level = "warn" // mail works, but not on everything
	bad  level = "bad"  // somebody cannot work
)

// verdict answers "is mail working, and if not, where?".
type verdict struct {
	Level    level
	Headline string
	Findings []finding // what stands behind the headline, worst first
	More     int       // findings left out
}

// finding is one line under the headline.
type finding struct {
	Level  level
	State  State // of the services that it is about; empty: about casbah itself
	Text   string
	Detail string // what the probe, or the reload, said
}

// maxFindings keeps the matrix on the first screen.
const maxFindings = 8

// fullAt is the share of a limit at which the page speaks up, in percent.
const fullAt = 90

// judge sums the view up.
func judge(v *View) verdict {
	s := surveyOf(v)
	lvl, headline := s.headline(v)
	vd := verdict{Level: lvl, Headline: headline, Findings: slices.Concat(poolFindings(v), s.findings(v.Now), processFindings(v), certificateFindings(v), protectionFindings(v))}
	slices.SortStableFunc(vd.Findings, func(a, b finding) int { return severity(b.Level) - severity(a.Level) })
	if n := len(vd.Findings); n > maxFindings {
		vd.Findings, vd.More = vd.Findings[:maxFindings], n-maxFindings
	}
	return vd
}

// severity orders levels.
func severity(l level) int { return slices.Index([]level{fine, note, warn, bad}, l) }

// headline is the one sentence for who looks once.
func (s *survey) headline(v *View) (level, string) {
	lost, unserved := s.lost(), unservedVIPs(v)
	switch {
	case v.Stopping:
		return warn, "casbah is stopping: open requests are finished, new ones refused."
	case len(v.VIPs) == 0:
		return warn, "Nothing to serve: no VIP is configured."
	case s.silent():
		return note, "Starting: the first probes are under way."
	case len(lost) > 0 && len(lost) == len(s.protocols):
		return bad, "Mail is not working: no server is up."
	case len(lost) > 0:
		return bad, "No server for " + enumerate(lost) + "; the rest of mail is working."
	case len(unserved) > 0:
		return bad, "No server for VIP " + enumerate(unserved) + "."
	case s.count[Down] > 0:
		return warn, "Mail is working, but " + s.where(Down, "down") + "."
	case refusedByClients(v):
		return warn, "Mail is working, but clients refuse a certificate."
	case refusesLogins(v):
		return warn, "Mail is working, but Extended Protection refuses logins."
	case v.ReloadError != "":
		return warn, "Mail is working, with the old configuration: the new one was refused."
	case s.count[Maintenance] > 0:
		return fine, "Mail is working; " + s.where(Maintenance, "in maintenance") + "."
	case s.count[Drain] > 0:
		return fine, "Mail is working; " + s.where(Drain, "draining") + "."
	default:
		return fine, "All well: " + s.extent() + "."
	}
}

// extent says how much there is: a protocol runs on the servers of its pool alone.
func (s *survey) extent() string {
	least, most, names := len(s.servers), 0, make(map[string]bool)
	for _, t := range s.protocols {
		least, most = min(least, t.all), max(most, t.all)
		names[t.profile] = true
	}
	each := ", each on "
	if len(names) == 1 {
		each = " on "
	}
	on := plural(most, "server")
	if least < most {
		on = fmt.Sprintf("%d to %s", least, on)
	}
	return plural(len(names), "protocol") + each + on
}

// unservedVIPs names the VIPs that have no server up.
func unservedVIPs(v *View) []string {
	var names []string
	for i := range v.VIPs {
		if !v.VIPs[i].Up {
			names = append(names, v.VIPs[i].Name)
		}
	}
	return names
}

// poolFindings tell where traffic goes to servers that are not up.
func poolFindings(v *View) []finding {
	var fs []finding
	for i := range v.Pools {
		p := &v.Pools[i]
		if len(p.BackedUp) > 0 {
			text := fmt.Sprintf("Backups of pool %s serve %s: no ordinary server takes traffic.", p.Name, enumerate(p.BackedUp))
			fs = append(fs, finding{Level: warn, Text: text})
		}
		if len(p.Panic) > 0 {
			text := fmt.Sprintf("Pool %s panics: for %s fewer than %d%% of the servers are up, so all that are not in maintenance are used.",
				p.Name, enumerate(p.Panic), p.PanicBelow)
			fs = append(fs, finding{Level: bad, Text: text})
		}
	}
	return fs
}

// processFindings are about casbah itself rather than a server.
func processFindings(v *View) []finding {
	var fs []finding
	if v.ReloadError != "" {
		fs = append(fs, finding{Level: warn, Text: "The last reload was refused; the configuration from before is in force.", Detail: v.ReloadError})
	}
	if full(v.Conns, v.ConnLimit) {
		text := fmt.Sprintf("%s connections are open, of %s allowed.", count(v.Conns), count(v.ConnLimit))
		fs = append(fs, finding{Level: warn, Text: text})
	}
	if full(v.Table.Bindings, v.Table.Capacity) {
		text := fmt.Sprintf("The table holds %s bindings, of %s possible.", count(v.Table.Bindings), count(v.Table.Capacity))
		fs = append(fs, finding{Level: warn, Text: text})
	}
	fs = append(fs, tableFindings(v)...)
	if v.Foreign > 0 {
		text := fmt.Sprintf("A fault of casbah's own led %s to another client's connection; nothing was sent there. Report it: the log has when and where.", plural(int(v.Foreign), "request"))
		fs = append(fs, finding{Level: bad, Text: text})
	}
	if v.Panics > 0 {
		text := fmt.Sprintf("A fault of casbah's own ended %s; the log has the trace.", plural(int(v.Panics), "connection"))
		fs = append(fs, finding{Level: warn, Text: text})
	}
	return fs
}

// soonFull is in what time a full table is worth a word: enough to do something about it.
const soonFull = time.Hour

// lossWorth is for how long lost bindings are worth a word: afterwards few would be left.
const lossWorth = 8 * time.Hour

// tableFindings are about what may become of the bindings.
func tableFindings(v *View) []finding {
	var fs []finding
	t := &v.Table
	if t.FullIn > 0 && t.FullIn <= soonFull {
		fs = append(fs, finding{Level: warn, Text: fmt.Sprintf("At the growth of the last minutes the table of bindings is full in %s.", span(t.FullIn))})
	}
	if t.SaveError != "" {
		fs = append(fs, finding{Level: warn, Text: "The bindings cannot be saved: a restart would forget the newest.", Detail: t.SaveError})
	}
	if t.RestoreError != "" && v.Now.Sub(v.Started) < lossWorth {
		fs = append(fs, finding{Level: note, Text: "The bindings from before the start are lost; clients were balanced anew.", Detail: t.RestoreError})
	}
	return fs
}

// full reports whether n is close to its limit; a limit of 0 is none.
func full(n, limit int) bool { return limit > 0 && n >= limit-limit*(100-fullAt)/100 }
