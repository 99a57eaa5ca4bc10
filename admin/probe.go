package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"casbah/health"
	"casbah/node"
)

// prober tells what probes came to.
type prober interface {
	// Probes returns what they came to last.
	Probes(f node.ProbeFilter) ([]node.ProbeAnswer, error)
	// Probe has them run now.
	Probe(ctx context.Context, f node.ProbeFilter) ([]node.ProbeAnswer, error)
}

// probeMax is the longest order of probes, in octets.
const probeMax = 4 << 10

// probes answers with what the probes came to last.
func (h *Handler) probes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var f node.ProbeFilter
	for name, values := range q {
		into, ok := map[string]*string{"pool": &f.Pool, "server": &f.Server, "profile": &f.Profile}[name]
		if !ok || len(values) != 1 {
			writeError(w, http.StatusBadRequest, "want each of pool, server and profile once at most, and nothing else")
			return
		}
		*into = values[0]
	}
	all, err := h.source.Probes(f)
	answerProbes(w, all, err)
}

// probe has probes run now. They go to the servers and may log in, so it needs
// what changes need.
func (h *Handler) probe(w http.ResponseWriter, r *http.Request) {
	var f node.ProbeFilter
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, probeMax))
	in.DisallowUnknownFields()
	if err := in.Decode(&f); err != nil {
		writeError(w, http.StatusBadRequest, `want a JSON object of pool, server and profile, each of which may be left out`)
		return
	}
	all, err := h.source.Probe(r.Context(), f)
	answerProbes(w, all, err)
}

func answerProbes(w http.ResponseWriter, all []node.ProbeAnswer, err error) {
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if all == nil {
		all = []node.ProbeAnswer{}
	}
	writeJSON(w, http.StatusOK, all)
}

// Probes is what came of the probes of a service since they began, in Status.
type Probes struct {
	Right  uint64            `json:"right"`
	Wrong  uint64            `json:"wrong"`
	Causes map[string]uint64 `json:"causes"` // of the wrong ones; those that came
}

// Deep is the probe of a service that logs in, in Status.
type Deep struct {
	Probe          string    `json:"probe"` // what is asked
	LastProbe      time.Time `json:"last_probe,omitzero"`
	ProbeTime      float64   `json:"probe_seconds"`
	ProbeError     string    `json:"probe_error,omitempty"` // of the last one
	ProbeCause     string    `json:"probe_cause,omitempty"` // likewise, in one word
	Probes         Probes    `json:"probes"`
	AccountRefused bool      `json:"account_refused"` // so often that it is left alone
}

func deepOf(d *node.DeepStatus) *Deep {
	if d == nil {
		return nil
	}
	return &Deep{
		Probe: d.Probe, LastProbe: d.At, ProbeTime: d.Took.Seconds(), ProbeError: d.Error, ProbeCause: causeOf(d.Cause),
		Probes: probesOf(&d.Probes), AccountRefused: d.Rests,
	}
}

func probesOf(t *health.Tally) Probes {
	p := Probes{Right: t.Right, Wrong: t.Wrong, Causes: make(map[string]uint64)}
	for _, c := range health.Causes {
		if n := t.Causes[c]; n > 0 {
			p.Causes[c.String()] = n
		}
	}
	return p
}

// causeOf returns the word of a wrong answer's cause; empty: it was right.
func causeOf(c health.Cause) string {
	if c == health.Right {
		return ""
	}
	return c.String()
}

// trouble is what the probes of a service say is wrong with it, for the page;
// empty: nothing is.
func trouble(s *node.ServiceStatus) string {
	d := s.Deep
	switch {
	case s.ProbeError != "" || d == nil:
		return s.ProbeError
	case d.Rests && d.Error != "":
		return "probe account refused, the deep probe does not count: " + d.Error
	case d.Error != "":
		return d.Probe + ": " + d.Error
	default:
		return ""
	}
}

// asked is what a service is asked, for the page.
func asked(s *node.ServiceStatus) string {
	if s.Deep == nil {
		return s.Probe
	}
	return s.Probe + "; " + s.Deep.Probe
}
