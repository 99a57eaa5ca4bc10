package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// logLevel shows, or changes, the least level that is logged of each part of the
// casbah that runs.
func logLevel(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "log", "[-json] [[PART|all] LEVEL|file]")
	asJSON := fs.Bool("json", false, "print the answer of the API as it is")
	c := newClient(fs)
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	method, order := http.MethodGet, any(nil)
	if fs.NArg() > 0 {
		part, level := fs.Arg(0), fs.Arg(1)
		if fs.NArg() == 1 {
			part, level = "", fs.Arg(0)
		}
		if part == "all" {
			part = ""
		}
		if level == "file" {
			level = ""
		}
		method, order = http.MethodPost, map[string]string{"part": part, "level": level}
	}
	var text json.RawMessage
	if err := c.do(ctx, method, "/api/v1/log", order, &text); err != nil {
		return err
	}
	if *asJSON {
		return printRaw(t.out, text)
	}
	var levels map[string]string
	if err := json.Unmarshal(text, &levels); err != nil {
		return c.garbled(err)
	}
	for _, part := range slices.Sorted(maps.Keys(levels)) {
		fmt.Fprintf(t.out, "%-12s %s\n", part, levels[part])
	}
	return nil
}
