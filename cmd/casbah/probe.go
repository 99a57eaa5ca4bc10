package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"casbah/health"
	"casbah/node"
	"casbah/profiles"
)

// probe asks services whether they work, by a configuration file, or tells what
// the casbah that runs was answered.
func probe(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "probe", "-c FILE | [-admin URL] [-now]  [SERVER] [PROFILE] [-quiet] [-json]")
	ask := probing{server: newClient(fs)}
	fs.StringVar(&ask.path, "c", "", "configuration `file`: ask its servers, without a casbah that runs")
	fs.BoolVar(&ask.now, "now", false, "have the casbah that runs ask again, beside its own probes; needs the token")
	quiet := fs.Bool("quiet", false, "leave out what was said")
	asJSON := fs.Bool("json", false, "print JSON")
	operands, err := parseAnywhere(fs, args, 2)
	if err != nil {
		return err
	}
	err = modeOf(fs)
	if err == nil && ask.path != "" && ask.now {
		err = errors.New("-c asks in any case, and -now the casbah that runs: want one of them")
	}
	if err != nil {
		fmt.Fprintf(t.err, "casbah probe: %v\n", err)
		return errUsage
	}
	operands = append(operands, "", "")
	answers, err := ask.answers(ctx, t, node.ProbeFilter{Server: operands[0], Profile: operands[1]})
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(t.out)
		out.SetIndent("", "  ")
		err = out.Encode(answers)
	} else {
		printProbes(t.out, answers, *quiet)
	}
	return cmp.Or(err, verdictOf(answers))
}

// probing says who asks the servers.
type probing struct {
	path   string // of a configuration file; empty: the casbah that runs
	now    bool   // whether that is to ask again
	server *client
}

// answers returns what the services answer that f means.
func (a *probing) answers(ctx context.Context, t *terminal, f node.ProbeFilter) (all []node.ProbeAnswer, err error) {
	switch {
	case a.path != "":
		conf, _, err := profiles.Load(a.path)
		if err != nil {
			return nil, mistakes(t, err)
		}
		return node.ProbeConfig(ctx, conf, f)
	case a.now:
		err = a.server.do(ctx, http.MethodPost, "/api/v1/probe", f, &all)
	default:
		q := make(url.Values)
		for name, value := range map[string]string{"server": f.Server, "profile": f.Profile} {
			if value != "" {
				q.Set(name, value)
			}
		}
		err = a.server.get(ctx, "/api/v1/probes?"+q.Encode(), &all)
	}
	return all, err
}

// verdictOf fails unless all of them are up.
func verdictOf(answers []node.ProbeAnswer) error {
	for i := range answers {
		if answers[i].Verdict != "up" {
			return errFails
		}
	}
	return nil
}

// printProbes prints answers for people, each with what was said.
func printProbes(out io.Writer, answers []node.ProbeAnswer, quiet bool) {
	table := &columns{out: out}
	for i := range answers {
		a := &answers[i]
		took := time.Duration(a.Seconds * float64(time.Second)).Round(time.Microsecond).String()
		if a.At.IsZero() {
			took = "-"
		}
		table.row(a.Server, a.Profile, a.Verdict, took, a.Probe)
		if quiet || a.Error == "" && len(a.Dialogue) == 0 {
			continue
		}
		table.flush()
		printDialogue(out, a)
	}
	table.flush()
}

// printDialogue prints what was said, line by line, and what was wrong with it.
func printDialogue(out io.Writer, a *node.ProbeAnswer) {
	marks := map[string]string{health.ByProbe: ">", health.ByServer: "<", health.ByNobody: "*"}
	for _, line := range a.Dialogue {
		fmt.Fprintf(out, "  %s %s\n", cmp.Or(marks[line.By], "?"), printable(line.Text))
	}
	if a.Error != "" {
		fmt.Fprintf(out, "  %s: %s\n", printable(a.Cause), printable(a.Error))
	}
}
