package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"casbah/admin"
)

// order is what drain, maintenance and ready have in common.
type order struct {
	terminal *terminal
	flags    *flag.FlagSet
	client   *client
	ask      admin.OrderRequest
	asJSON   *bool
}

func newOrder(t *terminal, name, args string) *order {
	o := &order{terminal: t, flags: newFlags(t, name, args)}
	fs := o.flags
	fs.StringVar(&o.ask.Pool, "pool", "", "`name` of a pool: its services alone, on SERVER or on all servers")
	fs.StringVar(&o.ask.Profile, "profile", "", "`name` of a profile: its services alone")
	fs.StringVar(&o.ask.Why, "why", "", "`text` for whoever asks later")
	fs.StringVar(&o.ask.Who, "who", "", "`name` of whoever orders it; unless given, that of the user")
	o.asJSON = fs.Bool("json", false, "print what holds now as JSON")
	o.client = newClient(fs)
	return o
}

// drain has only those clients use services that are bound to them.
func drain(ctx context.Context, t *terminal, args []string) error {
	o := newOrder(t, "drain", "[-firm] [-by TIME | -for DURATION] [-wait DURATION] [-pool POOL] [-profile PROFILE] [-why TEXT] [-force] [-json] SERVER")
	o.flags.BoolVar(&o.ask.Firm, "firm", false, "bound clients leave as well, at their next safe request")
	o.flags.StringVar(&o.ask.By, "by", "", "`time` at which it goes into maintenance: 22:00, or with its date 2026-11-22T22:00:00+01:00")
	o.flags.StringVar(&o.ask.For, "for", "", "`duration` after which it goes into maintenance, such as 30m")
	o.endings()
	return o.run(ctx, args)
}

// maintenance has nobody use services.
func maintenance(ctx context.Context, t *terminal, args []string) error {
	o := newOrder(t, "maintenance", "[-wait DURATION] [-pool POOL] [-profile PROFILE] [-why TEXT] [-force] [-json] SERVER")
	o.endings()
	return o.run(ctx, args)
}

// ready ends what was ordered of services.
func ready(ctx context.Context, t *terminal, args []string) error {
	return newOrder(t, "ready", "[-pool POOL] [-profile PROFILE] [-why TEXT] [-json] SERVER").run(ctx, args)
}

// endings are the flags of an order that takes a service away.
func (o *order) endings() {
	o.flags.StringVar(&o.ask.Wait, "wait", "", "`duration` that open requests are given in maintenance before they are closed; unless given, 30s")
	o.flags.BoolVar(&o.ask.Force, "force", false, "also if no server is left for new clients of a profile")
}

// run sends the order and prints what holds now. Flags may stand behind SERVER.
func (o *order) run(ctx context.Context, args []string) error {
	fs := o.flags
	if err := parse(fs, args, len(args)); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		o.ask.Server = fs.Arg(0)
		if err := parse(fs, fs.Args()[1:], 0); err != nil {
			return err
		}
	}
	if o.ask.Server == "" && o.ask.Pool == "" {
		fmt.Fprintf(o.terminal.err, "casbah %s: want the name of a server, or -pool and that of a pool\n", fs.Name())
		fs.Usage()
		return errUsage
	}
	o.ask.Who = cmp.Or(o.ask.Who, userName())
	var text json.RawMessage
	err := o.client.do(ctx, http.MethodPost, "/api/v1/"+fs.Name(), &o.ask, &text)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusConflict {
		r.hint = "so does -force"
	}
	switch {
	case err != nil:
		return err
	case *o.asJSON:
		return printRaw(o.terminal.out, text)
	}
	var done admin.OrderAnswer
	if err := json.Unmarshal(text, &done); err != nil || len(done.Services) == 0 {
		return o.client.garbled(cmp.Or(err, errors.New("it tells of no service")))
	}
	var all standings
	for i := range done.Services {
		s := &done.Services[i]
		all.add(s.Server, s.Profile, s.State, s.Order)
	}
	all.print(o.terminal.out, time.Now())
	return nil
}

// standing is how services of a server stand that have the same order.
type standing struct {
	server, state string
	profiles      []string
	order         *admin.Order // nil: none
}

// standings gathers them, in the order in which they come.
type standings []standing

func (all *standings) add(server, profile, state string, o *admin.Order) {
	for i := range *all {
		s := &(*all)[i]
		if s.server != server || s.state != state || !sameOrder(s.order, o) {
			continue
		}
		if !slices.Contains(s.profiles, profile) {
			s.profiles = append(s.profiles, profile)
		}
		if o != nil {
			s.order.Left.Open += o.Left.Open
		}
		return
	}
	s := standing{server: server, state: state, profiles: []string{profile}}
	if o != nil {
		own := *o
		s.order = &own
	}
	*all = append(*all, s)
}

// sameOrder reports whether two orders differ in no more than in who is left.
func sameOrder(a, b *admin.Order) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.State == b.State && a.Firm == b.Firm && a.Since.Equal(b.Since) && a.Until.Equal(b.Until) && a.Wait == b.Wait && a.Who == b.Who && a.Why == b.Why
}

func (all *standings) print(out io.Writer, now time.Time) {
	for _, s := range *all {
		paragraph(out, "  "+printable(s.server), labelWidth, strings.Join(s.profiles, ", ")+": "+orderWords(s.state, s.order, now))
	}
}

// orderWords says what is ordered of a service in that state, and who is left on it.
func orderWords(state string, o *admin.Order, now time.Time) string {
	if o == nil {
		return state + ", nothing is ordered"
	}
	words := state
	if o.Firm {
		words += ", firm"
	}
	if o.State != state { // the probes have a part in it
		words += fmt.Sprintf(", ordered is %s", o.State)
	}
	if !o.Until.IsZero() {
		words += fmt.Sprintf(", maintenance in %s (at %s)", short(o.Until.Sub(now)), o.Until.Local().Format("15:04:05"))
	}
	words += fmt.Sprintf("; %d open, %s to the server", o.Left.Open, count(o.Left.Bound, "binding"))
	if o.Who != "" {
		words += "; by " + printable(o.Who)
	}
	if o.Why != "" {
		words += ": " + printable(o.Why)
	}
	return words
}

// userName is who types the command: behind sudo, who called that.
func userName() string {
	if name := strings.TrimSpace(os.Getenv("SUDO_USER")); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
