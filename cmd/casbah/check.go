package main

import (
	"context"
	"errors"
	"fmt"

	"casbah/node"
	"casbah/profiles"
	"casbah/tlsterm"
)

// defaultConfig is the file that serve and check read unless told otherwise.
const defaultConfig = "casbah.toml"

func check(ctx context.Context, t *terminal, args []string) error {
	fs := newFlags(t, "check", "-c FILE [-online]")
	path := fs.String("c", defaultConfig, "configuration `file`")
	online := fs.Bool("online", false, "ask the servers for their certificates as well, and say whether Extended Protection holds through casbah")
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
	if *online {
		return checkOnline(ctx, t, conf)
	}
	return nil
}

// checkOnline judges what the file alone does not tell.
func checkOnline(ctx context.Context, t *terminal, conf *profiles.Config) error {
	p, err := node.CheckProtection(ctx, conf)
	if err != nil {
		return err
	}
	for _, s := range p.Servers {
		if s.Error == "" {
			fmt.Fprintf(t.out, "pool %s, server %s: certificate %s\n", s.Pool, s.Server, s.Fingerprint)
		} else {
			fmt.Fprintf(t.out, "pool %s, server %s: no certificate: %s\n", s.Pool, s.Server, s.Error)
		}
	}
	fails := false
	for i := range p.Advice {
		fmt.Fprintln(t.out, node.AdviceText(&p.Advice[i]))
		fails = fails || p.Advice[i].Weight == tlsterm.Mistake
	}
	if len(p.Advice) == 0 {
		fmt.Fprintln(t.out, "Extended Protection: nothing stands in its way")
	}
	if fails {
		return errFails
	}
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
