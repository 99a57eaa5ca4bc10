package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"casbah/admin"
)

// watchEvery is how often -watch asks.
const watchEvery = 2 * time.Second

// clearScreen takes a terminal's cursor home and wipes what was there.
const clearScreen = "\x1b[H\x1b[2J"

// watch shows the status at each interval until ctx ends. Only the first answer
// has to come: a casbah that is started again is waited for.
func (c *client) watch(ctx context.Context, out io.Writer, raw bool, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var before *admin.Status
	for {
		text, st, err := c.status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && before == nil:
			return err
		case err != nil:
			fmt.Fprintf(out, "\n%s: %v\n", time.Now().Format(time.TimeOnly), err)
		default:
			showAgain(out, text, st, before, raw)
			before = st
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// showAgain shows one status in the place of the one before: as a page for people,
// or as a line of JSON.
func showAgain(out io.Writer, text []byte, st, before *admin.Status, raw bool) {
	var page bytes.Buffer
	switch {
	case raw:
		if err := json.Compact(&page, text); err != nil {
			return // it was read before: it is JSON
		}
		page.WriteByte('\n')
	case isTerminal(out):
		page.WriteString(clearScreen)
		printStatus(&page, st, before)
	default:
		if before != nil {
			page.WriteByte('\n')
		}
		printStatus(&page, st, before)
	}
	_, _ = out.Write(page.Bytes()) // nobody reads it any more if not
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// status asks for the status: as it came, and decoded.
func (c *client) status(ctx context.Context) (text json.RawMessage, st *admin.Status, err error) {
	if err := c.get(ctx, "/api/v1/status", &text); err != nil {
		return nil, nil, err
	}
	st = new(admin.Status)
	if err := json.Unmarshal(text, st); err != nil {
		return nil, nil, c.garbled(err)
	}
	return text, st, nil
}
