package main

import (
	"context"
	"errors"
	"fmt"

	"casbah/profiles"
)

// defaultConfig is the file that serve and check read unless told otherwise.
const defaultConfig = "casbah.toml"

func check(_ context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "check", "-c FILE")
	path := fs.String("c", defaultConfig, "configuration `file`")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	conf, notes, err := profiles.Load(*path)
	for _, n := range notes {
		fmt.Fprintln(t.out, n)
	}
	if err != nil {
		return mistakes(t, err)
	}
	fmt.Fprintf(t.out, "%s: no mistakes: %s, %s, %s\n", *path,
		count(len(conf.VIPs), "VIP"), count(len(conf.Pools), "pool"), count(len(conf.Servers), "server"))
	return nil
}

// mistakes prints the mistakes of a configuration file, one per line.
func mistakes(t *terminal, err error) error {
	var ms profiles.Mistakes
	if !errors.As(err, &ms) {
		return err
	}
	for _, m := range ms {
		fmt.Fprintln(t.err, m)
	}
	fmt.Fprintf(t.err, "%s\n", count(len(ms), "mistake"))
	return errFails
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
