package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

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
	return printProfile(t, fs.Arg(0))
}

// printProfile prints what a profile comes to in each preset.
func printProfile(t *terminal, name string) error {
	for _, preset := range profiles.Shipped() {
		p, ok := preset.Profiles[name]
		if !ok {
			return fmt.Errorf("no profile %q ships; there are %s", name,
				strings.Join(slices.Sorted(maps.Keys(preset.Profiles)), ", "))
		}
		fmt.Fprintf(t.out, "# preset %s\n", preset.Name)
		table := map[string]map[string]*profiles.Profile{"profile": {name: p}}
		if err := toml.NewEncoder(t.out).Encode(table); err != nil {
			return err
		}
		fmt.Fprintln(t.out)
	}
	return nil
}
