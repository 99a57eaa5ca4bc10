package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"

	"casbah"
)

// Preset is a set of profiles that ships.
type Preset struct {
	Name     string
	About    string
	Profiles map[string]*Profile
}

// ShippedText returns profiles.toml as it is in the binary.
func ShippedText() string { return casbah.Profiles }

// ShippedProfile returns what profiles.toml says of one profile, as it may stand
// in a site's file. What another preset changes in it follows as a comment.
func ShippedProfile(name string) (string, error) {
	if known := sorted(shippedProfiles(Exchange2010)); !slices.Contains(known, name) {
		return "", fmt.Errorf("profile: want %s, got %q", oneOfNames("profile", name, known), name)
	}
	header := regexp.MustCompile(`(?m)^\[(?:preset\.([a-z0-9]+)\.)?profile\.` + regexp.QuoteMeta(name) + `[].]`)
	var found []string
	for part := range strings.SplitSeq(casbah.Profiles, "\n\n") {
		m := header.FindStringSubmatch(part)
		switch {
		case m == nil:
		case m[1] == "":
			found = append(found, strings.Trim(part, "\n"))
		default:
			found = append(found, difference(m[1], strings.Trim(part, "\n")))
		}
	}
	return strings.Join(found, "\n\n") + "\n", nil
}

// difference is what a preset changes, as a comment.
func difference(preset, part string) string {
	own := strings.Replace(part, "[preset."+preset+".", "[", 1)
	return "# With preset = \"" + preset + "\" this differs:\n#\n# " + strings.ReplaceAll(own, "\n", "\n# ")
}

// Shipped returns the presets, with their profiles complete.
func Shipped() []Preset {
	f := shipped()
	all := make([]Preset, 0, len(presets.now))
	for _, name := range presets.now {
		all = append(all, Preset{name, f.Preset[name].About, f.profiles(name)})
	}
	return all
}

// shippedFile is the form of profiles.toml: the profiles of exchange2010, and
// what each preset changes in them.
type shippedFile struct {
	Profile map[string]any `toml:"profile"`
	Preset  map[string]struct {
		About   string         `toml:"about"`
		Profile map[string]any `toml:"profile"`
	} `toml:"preset"`
}

// shipped reads profiles.toml, once.
var shipped = sync.OnceValue(func() shippedFile {
	var f shippedFile
	if _, err := toml.Decode(casbah.Profiles, &f); err != nil {
		panic("BUG: profiles.toml: " + err.Error())
	}
	return f
})

// profiles decodes those of a preset, by the rules that hold for a site's file.
func (f shippedFile) profiles(preset string) map[string]*Profile {
	d := decoder{newReport("profiles.toml", indexText(casbah.Profiles))}
	var all map[string]*Profile
	d.profiles(place{}.key("profile"), f.Profile, &all)
	d.profiles(place{}.key("preset").key(preset).key("profile"), f.Preset[preset].Profile, &all)
	for _, p := range all {
		p.complete(false)
	}
	if len(d.mistakes) > 0 {
		panic("BUG: " + d.mistakes.Error())
	}
	return all
}

// shippedProfiles returns the profiles of a preset; the caller owns them.
func shippedProfiles(preset string) map[string]*Profile { return shipped().profiles(preset) }
