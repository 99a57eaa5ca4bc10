// Package page is the built-in web page: one look answers whether mail is
// working, and if not, where. It renders a View, which its caller fills; it
// knows nothing of where the figures come from.
//
// The page is one HTML document with a style sheet and a script beside it, all
// embedded. It runs under a Content-Security-Policy without inline code or
// style, reads well without the script (it then reloads itself), and never
// tells a state by colour alone. With the script, fragments made by RenderLive
// replace the document's live part as they arrive.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page.html matrix.html vips.html facts.html order.html
var sources embed.FS

//go:embed style.css page.js order.js icon.svg
var assets embed.FS

// Asset returns a file that the page refers to: style.css, page.js, order.js, icon.svg.
func Asset(name string) ([]byte, error) {
	data, err := assets.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return data, nil
}

// Render writes the whole document.
func Render(w io.Writer, v *View) error { return execute(w, "page", v) }

// RenderLive writes the part of the document that changes: the content of its
// element with the ID live.
func RenderLive(w io.Writer, v *View) error { return execute(w, "live", v) }

// templates is parsed once; a mistake in it is found by the first test.
var templates = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"brief":  brief,
	"card":   func(c cell, now time.Time, changeable bool) card { return card{c, now, changeable} },
	"clock":  clock,
	"count":  count[int64],
	"fill":   fill,
	"flow":   func(f float64) string { return octets(f) + "/s" },
	"int64":  func(n int) int64 { return int64(n) },
	"octets": octets[int64],
	"order": func(do, pool, server, profile string) string {
		return Ask{Do: do, Pool: pool, Server: server, Profile: profile}.Address()
	},
	"part":   part,
	"rate":   rate,
	"signed": signed,
	"span":   span,
	"spark":  sparkOf,
	"stamp":  func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"states": func() []State { return []State{Up, Down, Drain, Maintenance, Unknown} },
	"total":  count[uint64],
	"words":  func(s string) []string { return strings.Split(s, "_") },
}).ParseFS(sources, "*.html"))

func execute(w io.Writer, name string, v *View) error {
	if err := templates.ExecuteTemplate(w, name, screenOf(v)); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// screen is what the template sees: the view, and what follows from it.
type screen struct {
	*View
	Verdict  verdict
	Orders   []standing
	Grids    []grid
	Flows    []flow
	Idle     int // protocols of HTTP without a request
	Keepers  []keeper
	Outlooks []outlook
	Recent   []Event
	Choices  []Decision
	Holders  []holder
	Unbound  string // about the servers that are no holders
	Crowd    crowd  // the shared addresses
}

// maxEvents is how many events are shown.
const maxEvents = 24

func screenOf(v *View) *screen {
	s := &screen{
		View:    v,
		Verdict: judge(v),
		Orders:  standings(v),
		Grids:   gridsOf(v),
		Keepers: keepersOf(v),
		Recent:  v.Events[:min(len(v.Events), maxEvents)],
		Choices: v.Decided[:min(len(v.Decided), maxDecisions)],
		Crowd:   crowdOf(v.Shared),
	}
	s.Flows, s.Idle = flowsOf(v)
	s.Holders, s.Unbound = holders(v)
	for i := range v.VIPs {
		if o := v.VIPs[i].Outlook; o != nil {
			s.Outlooks = append(s.Outlooks, outlook{v.VIPs[i].Name, o})
		}
	}
	return s
}

// outlook is the RPC over HTTP of one VIP.
type outlook struct {
	Name string
	*Outlook
}

// holder is a server with the bindings that name it.
type holder struct {
	Name     string
	Bindings int
}

// manyHolders is how many servers are shown even if nobody is bound to them.
const manyHolders = 8

// holders lists each server once, though several pools may share it; of many,
// those that have bindings, and how many have none.
func holders(v *View) (hs []holder, unbound string) {
	seen := make(map[string]bool)
	for i := range v.Pools {
		for j := range v.Pools[i].Servers {
			if s := &v.Pools[i].Servers[j]; !seen[s.Name] {
				seen[s.Name] = true
				hs = append(hs, holder{s.Name, s.Bindings})
			}
		}
	}
	if len(hs) <= manyHolders {
		return hs, ""
	}
	all := len(hs)
	hs = slices.DeleteFunc(hs, func(h holder) bool { return h.Bindings == 0 })
	if n := all - len(hs); n > 0 {
		unbound = "no bindings to " + plural(n, "server")
	}
	return hs, unbound
}
