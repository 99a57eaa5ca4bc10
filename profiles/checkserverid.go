package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"casbah/internal/rule"
)

// ownIDForm is the ID that a site gives a server: it stands in URLs, headers and
// cookies without any escape.
var ownIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// idNameForm is the name under which a request carries such an ID.
var idNameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// idTokenForm is what stands before an address in a query: within one parameter.
var idTokenForm = regexp.MustCompile(`^[^\x00-\x20&;#\x7f-\xff]{1,64}$`)

// ownID checks the form of a server's ID.
func (k *checker) ownID(p place, s *Server) {
	if k.written(p) && !ownIDForm.MatchString(s.ID) {
		k.mistake(p, "letters, digits, dash or underscore, at most 64", s.ID)
	}
}

// fqdn checks the name by which a server calls itself.
func (k *checker) fqdn(p place, name string) {
	if k.written(p) && (!isHostname(name) || strings.HasSuffix(name, ".")) {
		k.mistake(p, "the full name of the server, such as \"cas1.example.org\"", name)
	}
}

// serverIDs checks that each server of the pool has an ID that no other one has:
// a step of the profile reads it. A client whose server has none would never be
// sent back to it.
func (k *checker) serverIDs(pool *Pool, pr *Profile) {
	if pool == nil {
		return
	}
	holder := make(map[string]string) // ID, server
	for i := range k.c.Servers {
		s := &k.c.Servers[i]
		if !slices.Contains(pool.Servers, s.Name) {
			continue
		}
		at, other := serverPlace(i, s).key("id"), holder[s.ID]
		switch {
		case s.ID == "":
			k.mistake(at, fmt.Sprintf("an ID (step server_id of profile %s reads it)", pr.Name), nothing)
		case other != "":
			k.mistake(at, fmt.Sprintf("an ID that no other server of pool %q has (%s has it)", pool.Name, other), s.ID)
		default:
			holder[s.ID] = s.Name
		}
	}
}

// expression checks the text of a rule.
func (k *checker) expression(p place, s *Step) {
	const what = "an expression over the request"
	if s.Expression == "" {
		k.mistake(p, what+`, such as header("X-Session")`, nothing)
		return
	}
	if _, err := rule.Compile(s.Expression); err != nil {
		k.mistake(p, what+" ("+err.Error()+")", s.Expression)
	}
}
