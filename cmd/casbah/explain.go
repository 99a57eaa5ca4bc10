package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"casbah/node"
	"casbah/profiles"
)

const explainArgs = "-c FILE | -admin URL  [METHOD] URL [-from IP] [-H 'Name: value']... [-vip NAME] [-json]"

// explain says where a request would go, and why: behind a configuration file,
// or behind the casbah that runs.
func explain(ctx context.Context, t *terminal, args []string) error {
	var q node.Question
	fs := newFlags(t, "explain", explainArgs)
	path := fs.String("c", "", "configuration `file`: explain by it alone, as for a casbah that has just started")
	server := newClient(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	fs.StringVar(&q.From, "from", "", "`address` of the client")
	fs.StringVar(&q.VIP, "vip", "", "`name` of the VIP that is called; else the one that fits the URL")
	fs.Func("H", "a `header` of the request, as 'Name: value'; again for more", func(line string) error {
		q.Headers = append(q.Headers, line)
		return nil // whatever is wrong with it must not be quoted
	})
	operands, err := parseAnywhere(fs, args, 2)
	if err != nil {
		return err
	}
	err = takeOperands(&q, operands)
	if err == nil {
		err = modeOf(fs)
	}
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		fmt.Fprintf(t.err, "casbah explain: %v\n", err)
		return errUsage
	}
	var e *node.Explanation
	if *path != "" {
		e, err = explainFile(t, *path, &q)
	} else {
		e = new(node.Explanation)
		err = server.do(ctx, http.MethodPost, "/api/v1/explain", &q, e)
	}
	switch {
	case err != nil:
		return err
	case *asJSON:
		out := json.NewEncoder(t.out)
		out.SetIndent("", "  ")
		return out.Encode(e)
	default:
		return printExplanation(t.out, e)
	}
}

// parseAnywhere reads flags that stand before, between and behind the operands.
func parseAnywhere(fs *flag.FlagSet, args []string, most int) (operands []string, err error) {
	for {
		if err := parse(fs, args, len(args)); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return operands, nil
		}
		if operands = append(operands, fs.Arg(0)); len(operands) > most {
			fmt.Fprintf(fs.Output(), "casbah %s: %q is one word too many\n", fs.Name(), fs.Arg(0))
			fs.Usage()
			return nil, errUsage
		}
		args = fs.Args()[1:]
	}
}

// takeOperands takes the method, which may be left out, and the URL.
func takeOperands(q *node.Question, operands []string) error {
	switch len(operands) {
	case 0:
		return errors.New("want a URL, such as https://mail.example.org/owa/ or tcp://192.0.2.10:135")
	case 1:
		q.URL = operands[0]
	default:
		q.Method, q.URL = operands[0], operands[1]
	}
	return nil
}

// modeOf refuses a file and a running casbah at once.
func modeOf(fs *flag.FlagSet) error {
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["c"] && (given["admin"] || given["token-file"]) {
		return errors.New("-c asks a file, and -admin the casbah that runs: want one of them")
	}
	return nil
}

func explainFile(t *terminal, path string, q *node.Question) (*node.Explanation, error) {
	conf, _, err := profiles.Load(path)
	if err != nil {
		return nil, mistakes(t, err)
	}
	return node.ExplainConfig(conf, q)
}

// printExplanation prints e for people, what matters most first.
func printExplanation(w io.Writer, e *node.Explanation) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "\t"), "\t")) }
	switch {
	case e.Server == "" && e.Status == 0 && slices.ContainsFunc(e.Servers, func(s node.ExplainedServer) bool { return s.Full }):
		line("server:", "none has a place: the client waits ("+e.Why+")")
	case e.Server != "":
		line("server:", e.Server+" ("+e.Why+")")
	case e.Status == 0:
		line("server:", "none: casbah refuses the client ("+e.Why+")")
	default:
		line("server:", "none: casbah answers "+strconv.Itoa(e.Status)+" ("+e.Why+")")
	}
	line("because:", e.Text)
	for _, note := range e.Notes {
		line("note:", note)
	}
	line("vip:", e.VIP+" ("+e.VIPBy+")")
	if e.Profile != "" {
		line("profile:", e.Profile)
	}
	if e.Source != "" {
		line("client:", e.Source+", as the proxy "+e.Client+" names it")
	}
	if len(e.Servers) > 0 {
		line("pool:", e.Pool+", "+e.Algorithm)
		line("bindings:", "shared in "+e.Scope)
		printSteps(line, e.Steps)
		printServers(line, e.Servers)
	}
	return out.Flush()
}

func printSteps(line func(cells ...string), steps []node.ExplainedStep) {
	if len(steps) == 0 {
		return
	}
	line()
	line("STEP", "FOUND", "KEY", "SERVER", "UNUSED FOR", "LEFT", "")
	for i := range steps {
		s := &steps[i]
		server := s.Server
		if s.Loss != "" {
			server += " (" + s.Loss + ")"
		}
		remark := ""
		switch {
		case s.Shared == "counted":
			remark = strconv.Itoa(int(s.Clients)) + " clients"
		case s.Shared != "":
			remark = s.Shared
		case s.Server != "" && !s.Confirmed:
			remark = "unconfirmed"
		}
		line(s.Step, s.Found, s.Key, server, age(s.Age), age(s.Left), remark)
	}
}

func printServers(line func(cells ...string), servers []node.ExplainedServer) {
	line()
	line("SERVER", "STATE", "NEW CLIENTS", "BOUND CLIENTS", "")
	takes := map[bool]string{true: "yes", false: "no"}
	for i := range servers {
		s := &servers[i]
		var remarks []string
		for _, r := range []struct {
			holds bool
			words string
		}{{s.Tried, "could not be reached"}, {s.Backup, "backup"}, {s.Full, "full"}} {
			if r.holds {
				remarks = append(remarks, r.words)
			}
		}
		line(s.Server, s.State, takes[s.Eligible], takes[s.Standing != "gone"], strings.Join(remarks, ", "))
	}
}

// age prints seconds, unless there are none to print.
func age(seconds *uint32) string {
	if seconds == nil {
		return ""
	}
	return (time.Duration(*seconds) * time.Second).String()
}
