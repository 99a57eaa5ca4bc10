package main

import (
	"context"
	"fmt"
	"runtime"
)

func printVersion(_ context.Context, t *terminal, args []string) error {
	if err := parse(newFlags(t, "version", ""), args, 0); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "casbah %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
