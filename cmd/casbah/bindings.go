package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"casbah/admin"
)

const (
	defaultRows = 50       // that a listing prints
	cookieMax   = 64 << 10 // octets of a cookie on standard input
)

// bindings lists, counts, looks up or deletes the bindings of the casbah that runs.
func bindings(ctx context.Context, t *terminal, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "count":
			return countBindings(ctx, t, args[1:])
		case "delete":
			return deleteBindings(ctx, t, args[1:])
		case "list":
			args = args[1:]
		}
	}
	b := newBindingsCommand(t, "bindings", "[list|count|delete] [-vip NAME] [-profile NAME] [-server NAME] ... [-json]")
	b.clientFlags()
	rows := b.fs.Int("n", defaultRows, "print at most so many, 0 for all")
	if err := b.parse(args); err != nil {
		return err
	}
	if *rows < 0 {
		return b.usage("-n: want 0 or more, got %d", *rows)
	}
	if b.asksForClient() {
		return b.printFound(ctx)
	}
	return b.list(ctx, *rows)
}

func countBindings(ctx context.Context, t *terminal, args []string) error {
	b := newBindingsCommand(t, "bindings count", "[-vip NAME] [-profile NAME] [-server NAME] ... [-json]")
	if err := b.parse(args); err != nil {
		return err
	}
	var text json.RawMessage
	if err := b.client.get(ctx, "/api/v1/bindings/count"+b.query(), &text); err != nil {
		return err
	}
	if b.json {
		return printRaw(t.out, text)
	}
	var c admin.BindingCount
	if err := json.Unmarshal(text, &c); err != nil {
		return b.client.garbled(err)
	}
	printCount(t.out, &c)
	return nil
}

func printCount(out io.Writer, c *admin.BindingCount) {
	fmt.Fprintf(out, "%s, %d unconfirmed\n", count(c.Bindings, "binding"), c.Unconfirmed)
	if c.Bindings == 0 {
		return
	}
	fmt.Fprintln(out)
	servers := columns{out: out}
	servers.row("bindings", "server")
	for _, s := range c.ByServer {
		servers.row(strconv.Itoa(s.Bindings), s.Server)
	}
	servers.flush()
	for _, part := range []struct {
		title string
		rows  []admin.OwnerCount
	}{{"", c.ByScope}, {"step", c.ByStep}} {
		fmt.Fprintln(out)
		table := columns{out: out}
		table.row("bindings", "vip", "profiles", part.title)
		for i := range part.rows {
			r := &part.rows[i]
			table.row(strconv.Itoa(r.Bindings), names(r.VIPs), names(r.Profiles), r.Step)
		}
		table.flush()
	}
}

func deleteBindings(ctx context.Context, t *terminal, args []string) error {
	b := newBindingsCommand(t, "bindings delete", "[-token-file FILE] -server NAME | -vip NAME | -profile NAME | -key KEY | ... | -all")
	b.clientFlags()
	b.fs.BoolVar(&b.all, "all", false, "delete every binding there is")
	if err := b.parse(args); err != nil {
		return err
	}
	query := b.query()
	if b.all != (query == "") && !b.asksForClient() {
		return b.usage("say which: -server, -vip, -profile or another filter, or what a client brings, or -all alone")
	}
	deleted, err := 0, error(nil)
	switch {
	case b.asksForClient():
		deleted, err = b.deleteFound(ctx)
	case b.all:
		deleted, err = b.delete(ctx, "?all=true")
	default:
		deleted, err = b.delete(ctx, query)
	}
	switch {
	case err != nil && deleted > 0:
		return fmt.Errorf("%s deleted, and then: %w", count(deleted, "binding"), err)
	case err != nil:
		return err
	}
	if b.json {
		return json.NewEncoder(t.out).Encode(admin.Deleted{Deleted: deleted})
	}
	fmt.Fprintf(t.out, "%s deleted\n", count(deleted, "binding"))
	return nil
}

// delete deletes what the query means.
func (b *bindingsCommand) delete(ctx context.Context, query string) (int, error) {
	var d admin.Deleted
	err := b.client.do(ctx, http.MethodDelete, "/api/v1/bindings"+query, nil, &d)
	return d.Deleted, err
}

// deleteFound deletes what is bound for the client that the flags tell of.
func (b *bindingsCommand) deleteFound(ctx context.Context) (int, error) {
	rows, _, err := b.find(ctx)
	if err != nil {
		return 0, err
	}
	deleted := 0
	for i := range rows {
		r := &rows[i]
		if r.Server == "" {
			continue
		}
		if r.Key == "" {
			fmt.Fprintf(b.t.err, "step %s: the client itself names %s, casbah keeps nothing of it\n", r.Step, printable(r.Server))
			continue
		}
		n, err := b.delete(ctx, "?key="+r.Key)
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// bindingsCommand is one of the commands with its flags.
type bindingsCommand struct {
	t      *terminal
	fs     *flag.FlagSet
	client *client

	vip, profile, server, step, key string
	older                           time.Duration
	confirmed, unconfirmed          bool
	json, all                       bool
	lookup                          admin.BindingLookup
}

func newBindingsCommand(t *terminal, name, args string) *bindingsCommand {
	fs := newFlags(t, name, args)
	b := &bindingsCommand{t: t, fs: fs, client: newClient(fs)}
	fs.StringVar(&b.vip, "vip", "", "only of the scopes of that `VIP`")
	fs.StringVar(&b.profile, "profile", "", "only of the scope of that `profile`")
	fs.StringVar(&b.server, "server", "", "only to that `server`")
	fs.StringVar(&b.step, "step", "", "only of that `step`, such as source_ip or \"cookie UserContext\"")
	fs.StringVar(&b.key, "key", "", "the one with that `key`, as a listing shows it, or those that begin with 8 or more of its digits")
	fs.DurationVar(&b.older, "older", 0, "only those unused for that `time`, such as 10m")
	fs.BoolVar(&b.confirmed, "confirmed", false, "only those that a server has confirmed")
	fs.BoolVar(&b.unconfirmed, "unconfirmed", false, "only those that no server has confirmed")
	fs.BoolVar(&b.json, "json", false, "print the answer of the API as it is")
	return b
}

// clientFlags adds what a client brings.
func (b *bindingsCommand) clientFlags() {
	l := &b.lookup
	b.fs.StringVar(&l.From, "from", "", "look up the client with that `address`")
	b.fs.StringVar(&l.To, "to", "", "the `address` that it called, unless the VIP's first")
	b.fs.StringVar(&l.User, "user", "", "look up that `user`, such as alice or EXAMPLE\\alice")
	b.fs.StringVar(&l.Cookie, "cookie", "", "look up that cookie: its `value`, or name=value, or - to read it from standard input")
	b.fs.Func("H", "look up a client that sends that header `line`; may be given again", func(line string) error {
		l.Headers = append(l.Headers, line)
		return nil
	})
}

func (b *bindingsCommand) parse(args []string) error {
	if err := parse(b.fs, args, 0); err != nil {
		return err
	}
	switch {
	case b.confirmed && b.unconfirmed:
		return b.usage("-confirmed and -unconfirmed exclude each other")
	case b.older < 0:
		return b.usage("-older: want a time such as 10m, got %v", b.older)
	}
	if !b.asksForClient() {
		return nil
	}
	if b.server+b.step+b.key != "" || b.older > 0 || b.confirmed || b.unconfirmed || b.all {
		return b.usage("-from, -user, -cookie and -H look up a client: they go with -vip and -profile alone")
	}
	b.lookup.VIP, b.lookup.Profile = b.vip, b.profile
	if b.lookup.Cookie != "-" {
		return nil
	}
	cookie, err := io.ReadAll(io.LimitReader(os.Stdin, cookieMax))
	b.lookup.Cookie = strings.TrimSpace(string(cookie))
	return err
}

// usage reports a mistake in the command line.
func (b *bindingsCommand) usage(format string, args ...any) error {
	fmt.Fprintf(b.t.err, "casbah "+b.fs.Name()+": "+format+"\n", args...)
	return errUsage
}

func (b *bindingsCommand) asksForClient() bool {
	l := &b.lookup
	return l.From != "" || l.To != "" || l.User != "" || l.Cookie != "" || len(l.Headers) > 0
}

// query returns the filter as the query of a URL, with its question mark.
func (b *bindingsCommand) query() string {
	q := make(url.Values)
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("vip", b.vip)
	set("profile", b.profile)
	set("server", b.server)
	set("step", b.step)
	set("key", b.key)
	if b.older > 0 {
		set("older", b.older.String())
	}
	if b.confirmed || b.unconfirmed {
		set("confirmed", strconv.FormatBool(b.confirmed))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// list prints the bindings that the flags mean, as they come.
func (b *bindingsCommand) list(ctx context.Context, limit int) error {
	query := b.query()
	if limit > 0 {
		query += string("?&"[min(len(query), 1)]) + "limit=" + strconv.Itoa(limit)
	}
	table, end := bindingRows(b.t.out), admin.EndOfBindings{}
	err := b.client.lines(ctx, http.MethodGet, "/api/v1/bindings"+query, nil, func(line []byte) error {
		var row struct {
			admin.Binding
			admin.EndOfBindings
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return b.client.garbled(err)
		}
		end = row.EndOfBindings
		switch {
		case b.json:
			_, err := fmt.Fprintf(b.t.out, "%s\n", line)
			return err
		case !end.End:
			table.binding(&row.Binding, "")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !end.End {
		return b.client.garbled(io.ErrUnexpectedEOF)
	}
	if b.json {
		return nil
	}
	table.done(end.More)
	if end.Rows == 0 && b.key != "" {
		return errFails
	}
	return nil
}

// find asks for what is bound for a client; text is the answer as it came.
func (b *bindingsCommand) find(ctx context.Context) (rows []admin.FoundBinding, text json.RawMessage, err error) {
	if err := b.client.do(ctx, http.MethodPost, "/api/v1/bindings/lookup", &b.lookup, &text); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, nil, b.client.garbled(err)
	}
	return rows, text, nil
}

// printFound prints what is bound for a client. That nothing is, is an answer no.
func (b *bindingsCommand) printFound(ctx context.Context) error {
	rows, text, err := b.find(ctx)
	if err != nil {
		return err
	}
	bound := false
	for i := range rows {
		bound = bound || rows[i].Server != ""
	}
	switch {
	case b.json:
		err = printRaw(b.t.out, text)
	case len(rows) == 0:
		fmt.Fprintln(b.t.out, "no step of these chains reads that")
	default:
		table := bindingRows(b.t.out)
		for i := range rows {
			table.binding(&rows[i].Binding, rows[i].Says)
		}
		table.done(0)
	}
	if !bound && err == nil {
		return errFails
	}
	return err
}

// bindingTable prints bindings.
type bindingTable struct {
	columns
	empty bool
}

func bindingRows(out io.Writer) *bindingTable {
	return &bindingTable{columns: columns{out: out}, empty: true}
}

// binding prints a row. Says is what there is to say instead of a binding.
func (t *bindingTable) binding(b *admin.Binding, says string) {
	if t.empty {
		t.row("server", "unused", "left", "confirmed", "vip", "profiles", "step", "key")
		t.empty = false
	}
	server, unused, left, confirmed := "-", "-", "-", "-"
	if b.Server != "" {
		server, unused, left, confirmed = b.Server, short(seconds(float64(b.Age))), short(seconds(float64(b.Left))), "no"
		if b.Confirmed {
			confirmed = "yes"
		}
	}
	t.row(server, unused, left, confirmed, names(b.VIPs), names(b.Profiles), dash(b.Step), strings.TrimSpace(b.Key+" "+says))
}

// done prints what is left, and how many are not shown.
func (t *bindingTable) done(more int) {
	t.flush()
	switch {
	case t.empty && more == 0:
		fmt.Fprintln(t.out, "no bindings")
	case more > 0:
		fmt.Fprintf(t.out, "and %d more\n", more)
	}
}

// names joins names; none is a dash.
func names(list []string) string { return dash(strings.Join(list, ",")) }

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// printRaw prints an answer as it came.
func printRaw(out io.Writer, text json.RawMessage) error {
	_, err := fmt.Fprintf(out, "%s\n", text)
	return err
}
