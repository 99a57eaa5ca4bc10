package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"casbah/admin"
)

// timeout sets how many minutes the bindings of a profile last without use.
func timeout(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "timeout", "[-why TEXT] [-json] PROFILE MINUTES|file")
	why := fs.String("why", "", "`text` for whoever asks later")
	asJSON := fs.Bool("json", false, "print what holds now as JSON")
	c := newClient(fs)
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	if fs.NArg() < 2 {
		fmt.Fprintln(t.err, "casbah timeout: want the name of a profile, and a number of minutes")
		fs.Usage()
		return errUsage
	}
	minutes, err := strconv.Atoi(fs.Arg(1))
	if err != nil && fs.Arg(1) != "file" {
		fmt.Fprintf(t.err, "casbah timeout: want a number of minutes, or file for what the configuration says, got %q\n", fs.Arg(1))
		fs.Usage()
		return errUsage
	}
	order := struct {
		Profile string `json:"profile"`
		Minutes int    `json:"minutes"`
		Why     string `json:"why"`
	}{fs.Arg(0), minutes, *why}
	var text json.RawMessage
	if err := c.do(ctx, http.MethodPost, "/api/v1/timeout", order, &text); err != nil {
		return err
	}
	if *asJSON {
		return printRaw(t.out, text)
	}
	var now []admin.Persistence
	if err := json.Unmarshal(text, &now); err != nil || len(now) == 0 {
		return c.garbled(cmp.Or(err, errors.New("it tells of no profile")))
	}
	fmt.Fprintf(t.out, "bindings of %s last %s without use\n", fs.Arg(0), short(seconds(now[0].Timeout)))
	return nil
}
