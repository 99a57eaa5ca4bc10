package main

import (
	"context"
	"fmt"

	"casbah/profiles"
)

func printProfiles(_ context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "profiles", "[NAME]")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		fmt.Fprint(t.out, profiles.ShippedText())
		return nil
	}
	text, err := profiles.ShippedProfile(fs.Arg(0))
	if err != nil {
		return err
	}
	fmt.Fprint(t.out, text)
	return nil
}
