package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"casbah/admin"
)

const (
	shownEvents = 10 // of the newest
	labelWidth  = 20 // columns before the text: a name of a profile, and two spaces on each side
)

// status prints what the casbah that runs is and does.
func status(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "status", "[-watch] [-json] [-admin URL] [-token-file FILE]")
	c := newClient(fs)
	raw := fs.Bool("json", false, "print the answer of the API as it is; with -watch, each as a line")
	again := fs.Bool("watch", false, "show it every 2 seconds, with rates, until Ctrl-C")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *again {
		return c.watch(ctx, t.out, *raw, watchEvery)
	}
	text, st, err := c.status(ctx)
	switch {
	case err != nil:
		return err
	case *raw:
		return printRaw(t.out, text)
	}
	printStatus(t.out, st, nil)
	return nil
}

// printStatus writes st for a person with a terminal of 80 columns. Rates are since
// before; nil: none are told.
func printStatus(out io.Writer, st, before *admin.Status) {
	printProcess(out, st)
	for i := range st.VIPs {
		printVIP(out, &st.VIPs[i])
		printTraffic(out, &st.VIPs[i], ratesOf(&st.VIPs[i], st, before))
		for j := range st.VIPs[i].Certificates {
			printCertificate(out, &st.VIPs[i].Certificates[j], st.Now)
		}
	}
	for i := range st.Pools {
		printPool(out, &st.Pools[i], st.Now)
	}
	m := &st.Table
	fmt.Fprintln(out)
	paragraph(out, "table", labelWidth, fmt.Sprintf("%s of at most %d (%d unconfirmed), %.1f MB; unused for longest: %s; %d evicted, %d refused for lack of room",
		count(m.Bindings, "binding"), m.Capacity, m.Unconfirmed, float64(m.Memory)/1e6, short(seconds(m.Oldest)), m.Evictions, m.Refusals))
	fmt.Fprintf(out, "\nevents, the newest first\n")
	for i := range st.Events[:min(len(st.Events), shownEvents)] {
		e := &st.Events[i]
		paragraph(out, "  "+e.At.Local().Format("01-02 15:04:05"), labelWidth, e.Kind+": "+e.Text)
	}
}

// printProcess writes what concerns the whole process.
func printProcess(out io.Writer, st *admin.Status) {
	ready := "ready"
	switch {
	case st.Stopping:
		ready = "stopping"
	case !st.Ready:
		ready = "not ready"
	}
	limit := ""
	if st.ConnectionLimit > 0 {
		limit = fmt.Sprintf(" of at most %d", st.ConnectionLimit)
	}
	paragraph(out, "casbah", labelWidth, fmt.Sprintf("%s, %s, up for %s, %s%s", st.Version, ready, short(st.Now.Sub(st.Started)),
		count(st.Connections, "connection"), limit))
	paragraph(out, "configuration", labelWidth, fmt.Sprintf("%s, taken %s ago", st.ConfigPath, short(st.Now.Sub(st.Loaded))))
	for line := range strings.Lines(st.ReloadError) {
		paragraph(out, "reload refused", labelWidth, line)
	}
	if st.Panics > 0 {
		paragraph(out, "faults", labelWidth, fmt.Sprintf("%d connections were ended by a fault of casbah's own: the log has more", st.Panics))
	}
	for _, l := range st.Leaving {
		paragraph(out, "leaving", labelWidth, fmt.Sprintf("VIP %s, %s still open", l.VIP, count(l.Connections, "connection")))
	}
}

// printVIP writes how a VIP is reached, and how each profile keeps its clients.
func printVIP(out io.Writer, v *admin.VIP) {
	up := "up"
	if !v.Up {
		up = "DOWN: no profile has a server"
	}
	fmt.Fprintf(out, "\nVIP %s, %s, %s\n", printable(v.Name), v.Type, up)
	paragraph(out, "  listens on", labelWidth, cmp.Or(strings.Join(v.Listen, ", "), "nothing"))
	paragraph(out, "  traffic", labelWidth, fmt.Sprintf("%s open, %d accepted, %s to pool %s",
		count(int(v.Connections), "connection"), v.Accepted, count(int(v.Requests), "request"), v.Pool))
	printIdentities(out, v)
	for i := range v.Routes {
		r := &v.Routes[i]
		text := strings.Join(r.Hosts, ", ") + " to pool " + r.Pool
		if !r.Up {
			text += ", which has no server for " + r.Profile
		}
		paragraph(out, "  by name", labelWidth, text)
	}
	for i := range v.Persistence {
		p := &v.Persistence[i]
		paragraph(out, "  "+p.Profile, labelWidth, persistenceWords(p))
	}
}

// persistenceWords says how a profile keeps its clients on their servers.
func persistenceWords(p *admin.Persistence) string {
	steps := slices.Clone(p.Chain)
	if !slices.ContainsFunc(steps, func(s string) bool { return s != "none" }) {
		return "no persistence"
	}
	for i, s := range steps {
		if c := p.Inserted; c != nil && s == "insert_cookie" {
			timeout := "until the browser closes"
			if c.Timeout > 0 {
				timeout = "timeout " + short(seconds(c.Timeout))
			}
			steps[i] += fmt.Sprintf(" %s (version %d, %s)", c.Name, c.Version, timeout)
		}
	}
	return fmt.Sprintf("%s; binding %s", strings.Join(steps, ", "), short(seconds(p.Timeout)))
}

// printPool writes the matrix of a pool, with a row for each profile, and what
// is wrong in it.
func printPool(out io.Writer, p *admin.Pool, now time.Time) {
	fmt.Fprintf(out, "\npool %s, %s, upstream_tls %s\n", printable(p.Name), p.Algorithm, p.UpstreamTLS)
	for servers := p.Servers; len(servers) > 0; {
		n := fitting(servers)
		printMatrix(out, profilesOf(p), servers[:n])
		servers = servers[n:]
	}
	for _, name := range p.Panic {
		paragraph(out, "  "+name, labelWidth, "panic_below is in effect: all servers are used that are not in maintenance")
	}
	for _, name := range p.BackedUp {
		paragraph(out, "  "+name, labelWidth, "backups take new clients: no ordinary server takes traffic")
	}
	for i := range p.Servers {
		if words := placesWords(&p.Servers[i]); words != "" {
			paragraph(out, "  "+p.Servers[i].Name, labelWidth, words)
		}
	}
	printPlacement(out, p)
	ordersIn(p).print(out, now)
	for i := range p.Servers {
		for j := range p.Servers[i].Services {
			s := &p.Servers[i].Services[j]
			if s.ProbeError != "" {
				paragraph(out, "  "+s.Profile, labelWidth, fmt.Sprintf("on %s %s for %s: %s, %s", p.Servers[i].Name, s.State, short(now.Sub(s.Since)), s.Probe, s.ProbeError))
			}
			if d := s.Deep; d != nil && d.AccountRefused && d.ProbeError != "" {
				paragraph(out, "  "+s.Profile, labelWidth, "on "+p.Servers[i].Name+": probe account refused, the deep probe does not count: "+d.ProbeError)
			} else if d != nil && d.ProbeError != "" {
				paragraph(out, "  "+s.Profile, labelWidth, fmt.Sprintf("on %s %s for %s: %s, %s", p.Servers[i].Name, s.State, short(now.Sub(s.Since)), d.Probe, d.ProbeError))
			}
		}
	}
}

// ordersIn returns what is ordered in a pool.
func ordersIn(p *admin.Pool) *standings {
	all := new(standings)
	for i := range p.Servers {
		for j := range p.Servers[i].Services {
			if s := &p.Servers[i].Services[j]; s.Order != nil {
				all.add(p.Servers[i].Name, s.Profile, s.State, s.Order)
			}
		}
	}
	return all
}

// profilesOf returns the profiles that a pool serves, in the order of its services.
func profilesOf(p *admin.Pool) []string {
	var names []string
	for i := range p.Servers {
		for j := range p.Servers[i].Services {
			if name := p.Servers[i].Services[j].Profile; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// fitting returns how many of the servers have room beside each other.
func fitting(servers []admin.Server) int {
	room := screenWidth - labelWidth
	for i := range servers {
		if room -= max(len("maintenance"), len(servers[i].Name)) + 2; room < 0 {
			return max(i, 1)
		}
	}
	return len(servers)
}

func printMatrix(out io.Writer, profiles []string, servers []admin.Server) {
	m := columns{out: out}
	line := func(label string, cell func(*admin.Server) string) {
		cells := []string{fmt.Sprintf("  %-*s", labelWidth-4, label)}
		for i := range servers {
			cells = append(cells, cell(&servers[i]))
		}
		m.row(cells...)
	}
	line("", func(s *admin.Server) string { return s.Name })
	for _, name := range profiles {
		line(name, func(s *admin.Server) string {
			i := slices.IndexFunc(s.Services, func(v admin.Service) bool { return v.Profile == name })
			if i < 0 {
				return "-"
			}
			return s.Services[i].State
		})
	}
	line("open", func(s *admin.Server) string { return fmt.Sprint(s.Active) })
	line("bindings", func(s *admin.Server) string { return fmt.Sprint(s.Bindings) })
	m.flush()
}
