package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entry is one key of docs/CONFIG.md.
type entry struct {
	parts            []string // what the lines begin with, in order
	def, reload      string
	example, purpose string
}

var (
	entryForm = regexp.MustCompile("(?ms)^### `([^`]+)`\n\n(.*?)\n\n(- Syntax:.*?)\n- Example:\n\n```toml\n(.*?)\n```\n")
	partForm  = regexp.MustCompile(`(?m)^- (\w+): (.*)$`)
)

// document reads docs/CONFIG.md.
func document(t *testing.T) (text string, entries map[string]entry) {
	t.Helper()
	data, err := os.ReadFile("../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	entries = make(map[string]entry)
	for _, m := range entryForm.FindAllStringSubmatch(string(data), -1) {
		e := entry{purpose: m[2], example: m[4]}
		for _, part := range partForm.FindAllStringSubmatch(m[3], -1) {
			e.parts = append(e.parts, part[1])
			switch part[1] {
			case "Default":
				e.def = strings.Trim(part[2], "`")
			case "Reload":
				e.reload = part[2]
			}
		}
		if _, twice := entries[m[1]]; twice {
			t.Errorf("%s has two entries", m[1])
		}
		entries[m[1]] = e
	}
	return string(data), entries
}

// keyFacts are what the types say of a key.
type keyFacts struct {
	def     reflect.Value
	process bool
}

// allKeys walks the types of the file and returns every key that holds a value.
func allKeys() map[string]keyFacts {
	keys := make(map[string]keyFacts)
	c := Default()
	walkKeys("", reflect.ValueOf(&c.Process).Elem(), true, keys)
	walkKeys("", reflect.ValueOf(&c.Site).Elem(), false, keys)
	return keys
}

func walkKeys(prefix string, v reflect.Value, process bool, into map[string]keyFacts) {
	for name, f := range keysOf(v.Type()) {
		field := v.FieldByIndex(f.Index)
		t := field.Type()
		_, text := scalars[t]
		switch {
		case text:
			into[prefix+name] = keyFacts{field, process}
		case t.Kind() == reflect.Struct:
			walkKeys(prefix+name+".", field, process, into)
		case t.Kind() == reflect.Map:
			p := fresh(profileType)
			p.Addr().Interface().(*Profile).complete(false)
			walkKeys(prefix+name+".", p, process, into)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && !isScalar(t.Elem()):
			walkKeys(prefix+name+".", fresh(t.Elem()), process, into)
		default:
			into[prefix+name] = keyFacts{field, process}
		}
	}
}

func isScalar(t reflect.Type) bool {
	_, ok := scalars[t]
	return ok
}

// asWritten renders a default as a file would hold it.
func asWritten(v reflect.Value) string {
	switch d := v.Interface().(type) {
	case time.Duration:
		return fmt.Sprintf("%q", brief(d))
	case Secret:
		return fmt.Sprintf("%q", d.Reveal())
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Slice:
		return strings.ReplaceAll(fmt.Sprint(v.Interface()), " ", ", ")
	default:
		return fmt.Sprint(v.Interface())
	}
}

func TestDocumentHasEveryKey(t *testing.T) {
	_, entries := document(t)
	keys := allKeys()
	for _, key := range sorted(keys) {
		e, ok := entries[key]
		if !ok {
			t.Errorf("docs/CONFIG.md has no entry for %s", key)
			continue
		}
		if diff := cmp.Diff([]string{"Syntax", "Default", "Unit", "Limits", "Reload"}, e.parts); diff != "" {
			t.Errorf("parts of %s (-want +got):\n%s", key, diff)
		}
		if e.def != "none, must be set" && e.def != asWritten(keys[key].def) {
			t.Errorf("default of %s is %s; the document has %s", key, asWritten(keys[key].def), e.def)
		}
		if e.def == "none, must be set" && !keys[key].def.IsZero() {
			t.Errorf("%s need not be set: its default is %s", key, asWritten(keys[key].def))
		}
		if want := map[bool]string{true: "no, restart", false: "yes"}[keys[key].process]; e.reload != want {
			t.Errorf("reload of %s: %s; want %s", key, e.reload, want)
		}
		if e.purpose == "" || !strings.Contains(e.example, key[strings.LastIndex(key, ".")+1:]+" = ") {
			t.Errorf("%s has no purpose, or an example without it:\n%s", key, e.example)
		}
	}
	for _, key := range sorted(entries) {
		if _, ok := keys[key]; !ok {
			t.Errorf("docs/CONFIG.md has an entry for %s, which is no key", key)
		}
	}
}

// A word that can be written must be found in the entry of its key.
func TestDocumentNamesEveryWord(t *testing.T) {
	text, _ := document(t)
	all := slices.Concat(presets.now, engines.now, logLevels.now, algorithms.now, upstreamTLS.now, vipTypes.now,
		tableFull.now, tlsVersions.now, tlsPolicies.now, clientAuths.now, keyTypes.now, challenges.now, protocols.now, authSchemes.now, protections.now, reuses.now,
		cookieOrigins.now, sameSites.now, probeKinds.now, methods.now,
		engines.later, upstreamTLS.later, vipTypes.later, probeKinds.later, methods.later)
	for _, word := range all {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("docs/CONFIG.md does not name %s", word)
		}
	}
}

// tables are the tables of a small file, in order, each with what it must have.
var tables = []struct {
	key, header string
	lines       []string
}{
	{"", "", nil},
	{"log", "[log]", nil},
	{"limits", "[limits]", nil},
	{"admin", "[admin]", nil},
	{"tickets", "[tickets]", nil},
	{"acme", "[acme]", nil},
	{"server", "[[server]]", []string{`name = "cas1"`, `address = "cas1.example.org"`}},
	{"pool", "[[pool]]", []string{`name = "cas"`, `servers = ["cas1"]`}},
	{"pool.tls", "[pool.tls]", nil},
	{"vip", "[[vip]]", []string{
		`name = "mail"`, `type = "http"`, `listen = ["192.0.2.10:80"]`, `profiles = ["owa"]`, `pool = "cas"`,
	}},
	{"vip.route", "[[vip.route]]", []string{`hosts = ["app.example.org"]`, `pool = "cas"`}},
	{"vip.certificate", "[[vip.certificate]]", nil},
	{"vip.tls", "[vip.tls]", nil},
	{"profile", "[profile.owa]", nil},
	{"profile.chain", "[[profile.owa.chain]]", nil},
	{"profile.deep_probe", "[profile.owa.deep_probe]", nil},
	{"profile.probe", "[profile.owa.probe]", nil},
}

// withExample returns a whole file that holds the example of a key.
func withExample(key, example string) string {
	table := ""
	if i := strings.LastIndex(key, "."); i >= 0 {
		table = key[:i]
	}
	starts := key == "vip.starttls" || key == "vip.require_tls"
	var b strings.Builder
	for _, tb := range tables {
		header, lines := tb.header, tb.lines
		switch {
		case tb.key == "profile" && strings.Contains(example, "protocol ="):
			header = "[profile.app]"
		case tb.key == "profile" && key == "profile.ports":
			header = "[profile.rpc_client_access]"
		case tb.key == "profile.probe" && strings.Contains(example, `kind = "pop3"`):
			header = "[profile.pop3.probe]"
		case tb.key == "server" && key == "profile.chain.in":
			lines = append(slices.Clone(lines), `id = "node-1"`)
		case tb.key == "server" && key == "pool.backup":
			lines = append(slices.Clone(lines), "[[server]]", `name = "cas2"`, `address = "cas2.example.org"`)
		case tb.key == "pool" && key == "pool.backup":
			lines = []string{`name = "cas"`, `servers = ["cas1", "cas2"]`}
		case tb.key == "vip.route" && table != "vip.route":
			lines = nil
		case tb.key == "vip" && table == "vip.route":
			lines = slices.Replace(slices.Clone(lines), 1, 2, `type = "ssl_bridge"`)
		case tb.key == "pool" && (table == "pool.tls" || table == "vip.route"):
			lines = append(slices.Clone(lines), `upstream_tls = "on"`)
		case tb.key == "vip" && (table == "vip.tls" || table == "vip.certificate" || key == "vip.http2"):
			lines = slices.Replace(slices.Clone(lines), 1, 2, `type = "https"`)
		case tb.key == "vip" && key == "vip.mapper":
			lines = slices.Replace(slices.Clone(lines), 1, 4, `type = "tcp"`, `listen = ["192.0.2.10:135"]`, `profiles = ["rpc_endpoint_mapper"]`)
		case tb.key == "vip" && starts:
			lines = slices.Replace(slices.Clone(lines), 1, 4, `type = "tcp"`, `listen = ["192.0.2.10:143"]`, `profiles = ["imap4"]`, `starttls = true`)
		case tb.key == "vip" && key == "preset": // owa wants Extended Protection there
			lines = slices.Replace(slices.Clone(lines), 3, 4, `profiles = ["eas"]`)
		case tb.key == "acme" && strings.Contains(example, "acme = true"):
			lines = []string{"agree_terms = true"}
		case tb.key == "vip.certificate" && (table == "vip.tls" || key == "vip.http2" || starts):
			lines = []string{`cert = "mail.pem"`, `key = "mail.key"`}
		}
		if tb.key == table {
			lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
				return strings.HasPrefix(l, key[strings.LastIndex(key, ".")+1:]+" =")
			})
			lines = append(lines, example)
		}
		if len(lines) > 0 {
			b.WriteString(header + "\n" + strings.Join(lines, "\n") + "\n")
		}
	}
	return b.String()
}

func TestDocumentExamplesLoad(t *testing.T) {
	dir := t.TempDir()
	writeFixtures(t, dir)
	text, entries := document(t)
	for _, key := range sorted(entries) {
		file := withExample(key, entries[key].example)
		if _, _, err := Parse(filepath.Join(dir, "casbah.toml"), []byte(file)); err != nil {
			t.Errorf("example of %s: %v\n%s", key, err, file)
		}
	}
	_, small, _ := strings.Cut(text, "```toml\n")
	small, _, _ = strings.Cut(small, "```")
	if _, _, err := Parse(filepath.Join(dir, "casbah.toml"), []byte(small)); err != nil {
		t.Errorf("the small file of docs/CONFIG.md: %v", err)
	}
}
