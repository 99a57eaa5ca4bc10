package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"casbah/admin"
)

// example is a request of docs/API.md and its answer.
type example struct {
	method, path, body string
	status             int
	kind, answer       string
}

// apiExamples reads docs/API.md: each request is followed by its answer.
func apiExamples(t *testing.T) (doc string, all []example) {
	t.Helper()
	text, err := os.ReadFile("../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```http\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 || len(blocks)%2 != 0 {
		t.Fatalf("docs/API.md has %d blocks; want requests and answers in turn", len(blocks))
	}
	for i := 0; i < len(blocks); i += 2 {
		var e example
		head, body, _ := strings.Cut(blocks[i][1], "\n\n")
		e.method, e.path, _ = strings.Cut(strings.TrimSpace(head), " ")
		e.body = body
		head, e.answer, _ = strings.Cut(blocks[i+1][1], "\n\n")
		m := regexp.MustCompile(`^HTTP/1\.1 (\d+) .*\nContent-Type: (\S+)$`).FindStringSubmatch(head)
		if m == nil {
			t.Fatalf("%s %s: answer begins with %q", e.method, e.path, head)
		}
		e.status, _ = strconv.Atoi(m[1]) // three digits, by the pattern
		e.kind = m[2]
		all = append(all, e)
	}
	return string(text), all
}

// Every example of docs/API.md is answered so by a casbah that runs: with that
// status and type, and with everything that the answer there holds.
func TestAPIAnswersAsDocumented(t *testing.T) {
	r := newRig(t, setup{mode: mode{vip: "tls"}})
	c := r.client("127.0.0.2")
	c.logon("alice", "Secret1")
	c.get("/owa/")
	const token = "correct-horse-battery-staple"
	srv := httptest.NewServer(admin.New(r.node, admin.Options{Loopback: true, Token: token}))
	defer srv.Close()
	here := strings.NewReplacer("/vip/mail", "/vip/tls", "mail.example.org", "localhost", "198.51.100.7", "127.0.0.2")
	_, all := apiExamples(t)
	for _, e := range all {
		t.Run(fmt.Sprintf("%s-%s-%d", e.method, strings.ReplaceAll(e.path, "/", "_"), e.status), func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), e.method, srv.URL+here.Replace(e.path), strings.NewReader(here.Replace(e.body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != e.status || !strings.HasPrefix(resp.Header.Get("Content-Type"), e.kind) {
				t.Fatalf("answered %s, %s\n%s", resp.Status, resp.Header.Get("Content-Type"), got)
			}
			compareAnswers(t, e, string(got))
		})
	}
}

// compareAnswers holds what a running casbah says to what is written.
func compareAnswers(t *testing.T, e example, got string) {
	t.Helper()
	switch e.kind {
	case "text/plain":
		if got != e.answer {
			t.Errorf("answer %q; want %q", got, e.answer)
		}
		return
	case "application/x-ndjson":
		told, lines := strings.Split(strings.TrimSpace(e.answer), "\n"), strings.Split(strings.TrimSpace(got), "\n")
		if len(lines) < len(told) {
			t.Fatalf("%d lines; want at least %d", len(lines), len(told))
		}
		for i, line := range told {
			with := lines[i]
			if i == len(told)-1 {
				with = lines[len(lines)-1] // the end
			}
			holdTo(t, "", decoded(t, line), decoded(t, with))
		}
		return
	}
	want, is := decoded(t, e.answer), decoded(t, got)
	holdTo(t, "", want, is)
	if o, ok := want.(map[string]any); ok && e.path != "/api/v1/status" { // of which another test holds every name
		for name := range is.(map[string]any) {
			if _, told := o[name]; !told && o["..."] == nil {
				t.Errorf("docs/API.md does not have %s", name)
			}
		}
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// fixed are the names whose values must be those that are written.
var fixed = []string{"error", "reloaded", "deleted", "end"}

// holdTo complains of what is in want and not in got. A list that is empty here
// says nothing of its members.
func holdTo(t *testing.T, where string, want, got any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v; want an object", where, got)
			return
		}
		for name, inner := range w {
			switch is, there := g[name]; {
			case name == "...":
			case !there && !mayLack(where, name):
				t.Errorf("%s has no %s", where, name)
			case there:
				holdTo(t, where+"."+name, inner, is)
			}
		}
	case []any:
		g, ok := got.([]any)
		switch {
		case !ok:
			t.Errorf("%s is %v; want a list", where, got)
		case len(w) > 0 && len(g) > 0:
			// The member that has all of it, else the first.
			holdTo(t, where+"[]", w[0], g[max(slices.IndexFunc(g, func(m any) bool { return hasAll(w[0], m) }), 0)])
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			t.Errorf("%s is %v; want something like %v", where, got, want)
		}
		if slices.Contains(fixed, where[strings.LastIndexByte(where, '.')+1:]) && !saysAs(fmt.Sprint(want), fmt.Sprint(got)) {
			t.Errorf("%s is %v; want %v", where, got, want)
		}
	}
}

// mayLack reports whether an answer may lack a name: of the member of a list, such
// as a step that found nothing.
func mayLack(where, name string) bool {
	return strings.HasSuffix(where, ".steps[]") && name != "step" && name != "found"
}

// hasAll reports whether got has the names of want.
func hasAll(want, got any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return true
	}
	g, ok := got.(map[string]any)
	for name := range w {
		if _, there := g[name]; !ok || !there {
			return false
		}
	}
	return true
}

// saysAs compares a text, of which only the beginning may be written.
func saysAs(want, got string) bool {
	begin, cut := strings.CutSuffix(want, "...")
	return want == got || cut && strings.HasPrefix(got, begin)
}

// docs/API.md has every address of the admin listener but those of the page.
func TestAPIIsDocumentedWhole(t *testing.T) {
	doc, _ := apiExamples(t)
	files, err := filepath.Glob("../admin/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`mux\.Handle(?:Func)?\("([A-Z]+) (/[^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			method, path := m[1], m[2]
			if path == "/{$}" || path == "/" {
				continue
			}
			found++
			if !regexp.MustCompile("(?m)(^|`)" + method + " " + regexp.QuoteMeta(path) + "($|`|\\?)").MatchString(doc) {
				t.Errorf("docs/API.md does not tell of %s %s", method, path)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d addresses are found", found)
	}
}
