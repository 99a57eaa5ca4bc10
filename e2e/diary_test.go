package e2e

import (
	"slices"
	"strings"
)

// diary waits until the access log tells of all that was asked, and returns its
// records, by part of the day and person.
func (w *workday) diary() map[string][]record {
	w.t.Helper()
	r := &rig{t: w.t, conf: w.conf}
	var records []record
	w.until("the access log is written", func() bool {
		_, records = r.accessLog()
		return len(records) >= int(w.asked.Load())
	})
	if len(records) != int(w.asked.Load()) {
		w.t.Errorf("%d access records; want one for each of %d requests", len(records), w.asked.Load())
	}
	all := make(map[string][]record)
	for _, rec := range records {
		name, part, _ := strings.Cut(rec.Host, ".")
		all[part+" "+name] = append(all[part+" "+name], rec)
	}
	return all
}

// audit compares the records with what happened.
func (w *workday) audit(diary map[string][]record) {
	w.t.Helper()
	moved := make(map[string]int) // by reason
	conflicts := 0
	for _, p := range w.people {
		for part, s := range p.at {
			records := diary[part+" "+p.name]
			chosen := p.choices(part, records)
			want := []string{s.due}
			if part == p.came {
				want = p.first()
			}
			if got := strings.Join(chosen, " "); !slices.Contains(want, got) {
				w.t.Errorf("%s in the %s: chosen anew for %q; want one of %q", p.name, part, got, want)
			}
			if s.due != "" {
				moved[s.due]++
			}
			conflicts += countOf(records, "conflict")
		}
	}
	w.t.Logf("people moved: %v; records of conflict: %d", moved, conflicts)
	// A third of the people are on each server: there was somebody to lose.
	if moved["rebound_down"] < 8 || moved["rebound_left"] < 8 || conflicts == 0 {
		w.t.Errorf("moved %v, %d conflicts; want 8 for each reason, and some conflicts", moved, conflicts)
	}
}

// choices returns why the algorithm chose for a person in a part of the day, and
// complains of records that are wrong in themselves.
func (p *clerk) choices(part string, records []record) (chosen []string) {
	s := p.at[part]
	if len(records) < 2 {
		p.day.t.Errorf("%s in the %s: %d records; want those of two visits", p.name, part, len(records))
	}
	for _, rec := range records {
		if rec.Server != s.server || rec.Source != s.source || rec.End != "done" || rec.Attempts != 1 || rec.Why == nil {
			p.day.t.Errorf("%s in the %s: record %+v; want it done by %s at once, for %s", p.name, part, rec, s.server, s.source)
			continue
		}
		if !slices.Contains([]string{"bound", "conflict", "pinned"}, *rec.Why) {
			chosen = append(chosen, *rec.Why)
		}
	}
	return chosen
}

// first is why a person comes to a server the first time. Who calls a web service
// shows nothing yet, but for a TLS session.
func (p *clerk) first() []string {
	switch {
	case p.kind == "ews":
		return []string{"no_key", "fresh"}
	case p.morning == nat:
		return []string{"spread"}
	default:
		return []string{"fresh"}
	}
}

func countOf(records []record, why string) (n int) {
	for _, rec := range records {
		if rec.Why != nil && *rec.Why == why {
			n++
		}
	}
	return n
}
