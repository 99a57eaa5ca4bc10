package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// checker judges a decoded configuration as a whole.
type checker struct {
	*report
	c   *Config
	now time.Time // certificates expire
}

func check(r *report, c *Config) {
	k := &checker{r, c, time.Now()}
	k.process()
	k.choose(place{}.key("preset"), presets, c.Preset)
	k.passphrase()
	k.acme()
	k.servers()
	k.pools()
	k.kinds()
	k.vips()
	k.profiles()
	k.insertedCookies()
}

func serverPlace(i int, s *Server) place { return place{}.key("server").item(i, s.Name) }

func poolPlace(i int, p *Pool) place { return place{}.key("pool").item(i, p.Name) }

func vipPlace(i int, v *VIP) place { return place{}.key("vip").item(i, v.Name) }

func profilePlace(name string) place { return place{}.key("profile").key(name) }

// between checks a number against its limits.
func (k *checker) between(p place, n, least, most int) bool {
	if n < least || n > most {
		k.mistake(p, fmt.Sprintf("%d to %d", least, most), n)
		return false
	}
	return true
}

// lasts checks a duration against its limits.
func (k *checker) lasts(p place, d, least, most time.Duration) bool {
	if d < least || d > most {
		k.mistake(p, fmt.Sprintf("a duration from %s to %s", brief(least), brief(most)), d)
		return false
	}
	return true
}

// lastsOrOff is lasts, where 0 has a meaning of its own.
func (k *checker) lastsOrOff(p place, d, least, most time.Duration) {
	if d != 0 && (d < least || d > most) {
		k.mistake(p, fmt.Sprintf("0s, or a duration from %s to %s", brief(least), brief(most)), d)
	}
}

// leftOut refuses a key that the file should not hold.
func (k *checker) leftOut(p place, why string, got any) {
	if k.written(p) {
		k.mistake(p, "this key left out ("+why+")", got)
	}
}

// once checks that no earlier element of a list has the value of element i; at
// tells where the elements stand.
func (k *checker) once(p place, i int, value string, others []string, at func(int) place) bool {
	j := slices.Index(others[:i], value)
	if j < 0 {
		return true
	}
	want := fmt.Sprintf("one that is not used yet (line %d has it)", k.at.find(at(j).path).Line)
	k.mistake(p, want, value)
	return false
}

// nameForm is what names may look like: they stand in URLs, labels and commands.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// named checks the name of element i, given the names of all.
func (k *checker) named(p place, i int, all []string, at func(int) place) {
	switch {
	case all[i] == "" && !k.written(p):
		k.mistake(p, "a name", nothing)
	case !nameForm.MatchString(all[i]):
		k.mistake(p, "letters, digits, dot, dash or underscore, at most 64", all[i])
	default:
		k.once(p, i, all[i], all, at)
	}
}
