package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// reload has the casbah that runs read its configuration again.
func reload(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "reload", "[-admin URL] [-token-file FILE]")
	c := newClient(fs)
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	err := c.do(ctx, http.MethodPost, "/api/v1/reload", nil, nil)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusUnprocessableEntity {
		fmt.Fprintln(t.err, strings.TrimPrefix(r.reason, "reload: ")) // each mistake is a line
		fmt.Fprintln(t.err, "the configuration in force stays")
		return errFails
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "ok")
	return nil
}
