package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"casbah/admin"
)

// served is a profile on a pool.
type served struct{ profile, pool string }

// printTraffic writes the requests of each profile that has any; rates by profile
// and pool, nil: they are not known.
func printTraffic(out io.Writer, v *admin.VIP, rates map[served]float64) {
	m := columns{out: out}
	for i := range v.Traffic {
		t := &v.Traffic[i]
		if t.Requests == 0 {
			continue
		}
		if len(m.rows) == 0 {
			m.row(append([]string{"  " + pad("requests"), "all", "5xx", "median", "p99"}, rateTitle(rates)...)...)
		}
		cells := []string{
			"  " + pad(trafficLabel(v, t)), fmt.Sprint(t.Requests), fmt.Sprint(t.Status["5xx"]),
			brief(seconds(t.Median)), brief(seconds(t.Most)),
		}
		if rates != nil {
			cells = append(cells, fmt.Sprintf("%.1f", rates[served{t.Profile, t.Pool}]))
		}
		m.row(cells...)
	}
	m.flush()
}

// trafficLabel names the profile of t, and its pool where the VIP has or had it on
// another one, too.
func trafficLabel(v *admin.VIP, t *admin.Traffic) string {
	twice := slices.ContainsFunc(v.Traffic, func(o admin.Traffic) bool { return o.Profile == t.Profile && o.Pool != t.Pool })
	if twice {
		return t.Profile + " on " + t.Pool
	}
	return cmp.Or(t.Profile, "(no path fits)")
}

// pad fills a label up to the column of the text beside it.
func pad(label string) string { return fmt.Sprintf("%-*s", labelWidth-4, label) }

func rateTitle(rates map[served]float64) []string {
	if rates == nil {
		return nil
	}
	return []string{"per second"}
}

// ratesOf returns the requests per second of each profile of v since before; nil
// where that tells nothing: another casbah, or another VIP.
func ratesOf(v *admin.VIP, st, before *admin.Status) map[served]float64 {
	if before == nil || !before.Started.Equal(st.Started) {
		return nil
	}
	i := slices.IndexFunc(before.VIPs, func(b admin.VIP) bool { return b.Name == v.Name })
	took := st.Now.Sub(before.Now).Seconds()
	if i < 0 || took <= 0 {
		return nil
	}
	rates := make(map[served]float64)
	for _, t := range v.Traffic {
		rates[served{t.Profile, t.Pool}] = float64(t.Requests) / took
	}
	for _, t := range before.VIPs[i].Traffic {
		rates[served{t.Profile, t.Pool}] -= float64(t.Requests) / took
	}
	return rates
}

// brief returns a time that answers take, such as 250µs, 12ms or 1.3s.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

// printCertificate writes how long a certificate lasts.
func printCertificate(out io.Writer, c *admin.Certificate, now time.Time) {
	text := fmt.Sprintf("%s, for %s more", strings.Join(c.Names, ", "), short(c.NotAfter.Sub(now)))
	switch c.Level {
	case "expired":
		text = fmt.Sprintf("%s, EXPIRED %s ago", strings.Join(c.Names, ", "), short(now.Sub(c.NotAfter)))
	case "not_yet":
		text = fmt.Sprintf("%s, NOT VALID for %s yet", strings.Join(c.Names, ", "), short(c.NotBefore.Sub(now)))
	case "good":
	default:
		text += " (" + c.Level + ")"
	}
	if c.Refused != "" {
		text += "; what stands in the file now is not in force: " + c.Refused
	}
	paragraph(out, "  certificate", labelWidth, text)
}
