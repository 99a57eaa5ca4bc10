package page

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// What a person may order.
const (
	doDrain       = "drain"
	doMaintenance = "maintenance"
	doReady       = "ready"
	doTimeout     = "timeout"
	doReload      = "reload"
)

// Ask is an order that a person is about to give: the fields of the forms, by
// the names that they have there.
type Ask struct {
	Do                    string // empty: not chosen yet
	Pool, Server, Profile string // what it is for; empty: all
	Firm, Force           bool
	By                    string // a time of the day
	For                   string // minutes
	Wait                  string // seconds
	Minutes               string // of a timeout; empty or 0: the file's
	Who, Why              string
}

// askFields are the fields of an Ask, in the order in which addresses have them.
func (a *Ask) askFields() []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"do", &a.Do},
		{"pool", &a.Pool},
		{"server", &a.Server},
		{"profile", &a.Profile},
		{"by", &a.By},
		{"for", &a.For},
		{"wait", &a.Wait},
		{"minutes", &a.Minutes},
		{"who", &a.Who},
		{"why", &a.Why},
	}
}

// AskOf reads the fields of a form. What is no order is left out.
func AskOf(form url.Values) Ask {
	var a Ask
	for _, f := range a.askFields() {
		*f.value = strings.TrimSpace(form.Get(f.name))
	}
	a.Firm, a.Force = form.Get("firm") == "yes", form.Get("force") == "yes"
	if !slices.Contains([]string{doDrain, doMaintenance, doReady, doTimeout, doReload}, a.Do) {
		a.Do = ""
	}
	return a
}

// Address is where the form stands, with what is known filled in.
func (a Ask) Address() string { return "/order?" + a.query().Encode() }

func (a *Ask) query() url.Values {
	q := make(url.Values)
	for _, f := range a.askFields() {
		if *f.value != "" {
			q.Set(f.name, *f.value)
		}
	}
	if a.Firm {
		q.Set("firm", "yes")
	}
	return q
}

// Hidden are the fields that a confirmation carries on.
func (a Ask) Hidden() []Field {
	var fs []Field
	q := a.query()
	for _, f := range a.askFields() {
		if q.Has(f.name) {
			fs = append(fs, Field{f.name, *f.value})
		}
	}
	if a.Firm {
		fs = append(fs, Field{"firm", "yes"})
	}
	return fs
}

// Field is one field of a form.
type Field struct{ Name, Value string }

// Target is what the order is for.
func (a Ask) Target() string {
	switch {
	case a.Do == doReload:
		return "the configuration"
	case a.Do == doTimeout:
		return a.Profile
	case a.Profile != "" && a.Server != "":
		return a.Profile + " on " + a.Server + a.ofPool()
	case a.Server != "":
		return a.Server + a.ofPool()
	case a.Profile != "":
		return a.Profile + a.ofPool()
	default:
		return "pool " + a.Pool
	}
}

func (a *Ask) ofPool() string {
	if a.Pool == "" {
		return ""
	}
	return " of pool " + a.Pool
}

// Title heads the form, and is what the button says.
func (a Ask) Title() string {
	switch a.Do {
	case doDrain:
		return "Drain " + a.Target()
	case doMaintenance:
		return "Put " + a.Target() + " into maintenance"
	case doReady:
		return "Have " + a.Target() + " serve again"
	case doTimeout:
		return "Set the persistence timeout of " + a.Target()
	case doReload:
		return "Take the configuration file anew"
	default:
		return "An order for " + a.Target()
	}
}

// Effects say what the order will do, in sentences.
func (a Ask) Effects() []string {
	switch a.Do {
	case doDrain:
		return a.drains()
	case doMaintenance:
		return []string{"Nobody is sent there any more, bound clients neither. " + a.waits()}
	case doReady:
		return []string{"It takes new clients again, as soon as its probes succeed."}
	case doTimeout:
		if a.Minutes == "" || strings.Trim(a.Minutes, "0") == "" {
			return []string{"Bindings last as long without use as the configuration file says."}
		}
		return []string{"Bindings last " + a.Minutes + " minutes without use, on all VIPs that have the profile, until another order, restarts included."}
	case doReload:
		return []string{"The file is read and checked; with a mistake in it, what is in force stays."}
	default:
		return nil
	}
}

func (a *Ask) drains() []string {
	texts := []string{"New clients go elsewhere; clients that are bound to it stay."}
	if a.Firm {
		texts[0] = "New clients go elsewhere, and bound clients at their next request that may change servers."
	}
	switch {
	case a.By != "":
		texts = append(texts, "At "+a.By+" it goes into maintenance. "+a.waits())
	case a.For != "":
		texts = append(texts, "After "+a.For+" minutes it goes into maintenance. "+a.waits())
	default:
		texts = append(texts, "It drains until another order.")
	}
	return texts
}

func (a *Ask) waits() string {
	return "Open requests are finished, and after " + cmp.Or(a.Wait, "30") + " seconds closed."
}

// Sheet is the page on which an order is given: a form, then a confirmation.
type Sheet struct {
	Ask
	Confirm    bool
	Refusal    string // why it was not carried out; empty: it was not tried
	InForce    bool   // it was, and Refusal is what went wrong all the same
	Forceable  bool   // the refusal may be overridden
	Changeable bool   // there is a secret that changes can show
	View       *View
}

// RenderSheet writes the whole document.
func RenderSheet(w io.Writer, s *Sheet) error {
	if err := templates.ExecuteTemplate(w, "sheet", s); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// Concerns are the services that the order is for.
func (s *Sheet) Concerns() concern {
	var c concern
	for i := range s.View.Pools {
		p := &s.View.Pools[i]
		if s.Pool != "" && s.Pool != p.Name {
			continue
		}
		for j := range p.Servers {
			if s.Server == "" || s.Server == p.Servers[j].Name {
				c.add(p, &p.Servers[j], &s.Ask)
			}
		}
	}
	return c
}

// Services reports whether the order is for services.
func (s *Sheet) Services() bool { return s.Do != doTimeout && s.Do != doReload }

// concern counts services.
type concern struct {
	Count int
	Open  int64
	Lone  []string // profiles that no other server takes new clients for
}

func (c *concern) add(p *Pool, s *Server, a *Ask) {
	for i := range s.Services {
		sv := &s.Services[i]
		if a.Profile != "" && sv.Profile != a.Profile {
			continue
		}
		c.Count++
		c.Open += sv.Active
		if sv.State.known() == Up && !slices.Contains(c.Lone, sv.Profile) && (a.Server == "" || !p.servedBeside(s.Name, sv.Profile)) {
			c.Lone = append(c.Lone, sv.Profile)
		}
	}
}

// servedBeside reports whether another server is up for the profile.
func (p *Pool) servedBeside(server, profile string) bool {
	return slices.ContainsFunc(p.Servers, func(s Server) bool {
		return s.Name != server && slices.ContainsFunc(s.Services, func(sv Service) bool { return sv.Profile == profile && sv.State == Up })
	})
}

// Line is the count in a sentence.
func (c concern) Line() string {
	line := fmt.Sprintf("It concerns %s with %s open.", plural(c.Count, "service"), plural(int(c.Open), "request"))
	if len(c.Lone) > 0 {
		line += " No other server is up for " + enumerate(c.Lone) + "."
	}
	return line
}

// Protocols are what VIPs have of the profile of a timeout.
func (s *Sheet) Protocols() []Protocol {
	var ps []Protocol
	for i := range s.View.VIPs {
		for j := range s.View.VIPs[i].Protocols {
			if p := &s.View.VIPs[i].Protocols[j]; p.Name == s.Profile {
				ps = append(ps, *p)
			}
		}
	}
	return ps
}
