// Package archtest holds the rules of the code as tests: which package may
// import which, what the data plane and the protocol cores stay away from, and
// the shape of files and functions.
package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// allowed names, for each package, the packages of this module that it may
// import; a pattern stands for all that match. A new edge is a design decision:
// it comes with a line in docs/ARCHITECTURE.md in the same commit. Every package
// may import internal/httphead.
var allowed = map[string][]string{
	".":                  {}, // embeds profiles.toml
	"profiles":           {".", "internal/rule", "internal/pki", "internal/acmecert"},
	"persistence":        {"balance", "protocols/ntlm", "internal/rule"},
	"balance":            {},
	"route":              {"persistence", "balance", "internal/shield"},
	"engine":             {"balance"},
	"engine/bounds":      {},
	"engine/enginetest":  {"engine", "balance", "internal/transparent"}, // for the tests of drivers
	"engine/datagram":    {"engine", "balance", "internal/transparent"},
	"engine/h2":          {"engine"},
	"engine/netconn":     {"engine", "engine/bounds", "balance", "internal/pacing", "internal/proxyhead", "internal/tlsbio", "internal/tlsid", "internal/transparent"},
	"engine/reactor":     {"engine", "engine/bounds", "balance", "internal/pacing", "internal/proxyhead", "internal/tlsbio", "internal/transparent"},
	"protocols/http1":    {"engine", "route", "balance", "protocols/rpchttp", "protocols/ntlm"},
	"protocols/relay":    {"engine", "route", "balance", "internal/hello", "internal/maildialogue", "protocols/msrpc", "protocols/imap4", "protocols/pop3", "protocols/smtp"},
	"protocols/ntlm":     {},
	"protocols/imap4":    {"internal/maildialogue"},
	"protocols/pop3":     {"internal/maildialogue"},
	"protocols/smtp":     {"internal/maildialogue"},
	"protocols/msrpc":    {},
	"protocols/rpchttp":  {},
	"tlsterm":            {"internal/pki", "internal/tlsid"},
	"health":             {"balance", "tlsterm", "protocols/*", "internal/proxyhead"},
	"health/page":        {},
	"node":               {"*", "*/*"}, // joins the rest; see forbidden
	"admin":              {"node", "health", "health/page"},
	"lab":                {"protocols/*", "internal/*"},
	"cmd/casbah":         {"*", "*/*"},
	"e2e":                {}, // tests alone
	"internal/httphead":  {},
	"internal/logs":      {},
	"internal/rule":      {},
	"internal/shield":    {},
	"internal/hello":     {},
	"internal/proxyhead": {},
	"internal/tlsbio":    {"internal/tlsid"},
	"internal/tlsid":     {},
	"bench/command":      {},
	"bench/soak":         {"bench/command", "lab"},
	"bench/idleimap":     {"bench/command", "lab"},

	"internal/pacing":                    {},
	"internal/transparent":               {},
	"internal/acmecert":                  {},
	"internal/pki":                       {},
	"internal/pki/pkitest":               {}, // makes certificates, for tests
	"internal/maildialogue":              {},
	"internal/maildialogue/dialoguetest": {"internal/maildialogue"}, // for the tests of dialogues
	"protocols/msrpc/rpctest":            {"protocols/msrpc"},       // for tests
	"internal/hello/hellotest":           {},                        // makes hellos, for tests
	"internal/tlsbio/tlsbiotest":         {},                        // makes records, for tests
}

// forbidden names the packages that only those named here may import, whatever
// the patterns of allowed say.
var forbidden = map[string][]string{
	"node":       {"admin", "cmd/casbah"},
	"admin":      {"cmd/casbah"},
	"cmd/casbah": {},
}

// everywhere names the packages that every package may import.
var everywhere = []string{"internal/httphead"}

func TestImports(t *testing.T) {
	complain(t, importFindings(ours(t), allowed))
}

// importFindings returns the edges that rows do not allow, the packages without
// a row, and the rows without a package.
func importFindings(all []source, rows map[string][]string) []string {
	var findings []string
	seen := make(map[string]bool)
	for _, s := range all {
		if s.test {
			continue // tests may build what they need
		}
		if _, ok := rows[s.dir]; !ok && !seen[s.dir] {
			findings = append(findings, fmt.Sprintf("package %s has no row in allowed", s.dir))
		}
		seen[s.dir] = true
		for _, imp := range s.imports() {
			if dep, ok := inModule(imp); ok && !mayImport(s.dir, dep, rows[s.dir]) {
				findings = append(findings, fmt.Sprintf("%s: %s may not import %s", s.path, s.dir, dep))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if !seen[name] {
			findings = append(findings, fmt.Sprintf("allowed has a row for %s, which is gone", name))
		}
	}
	return findings
}

// inModule returns the directory of a package of this module.
func inModule(imp string) (dir string, ok bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

func mayImport(name, dep string, may []string) bool {
	if slices.Contains(everywhere, dep) {
		return true
	}
	if only, ok := forbidden[dep]; ok && !slices.Contains(only, name) {
		return false
	}
	return slices.ContainsFunc(may, func(pattern string) bool {
		ok, err := path.Match(pattern, dep)
		return ok && err == nil
	})
}
