package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"casbah/admin"
	"casbah/node"
	"casbah/persistence"
)

// docs/OPERATIONS.md explains every name that casbah shows an administrator.
func TestOperationsExplainsEveryName(t *testing.T) {
	doc, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for why := persistence.NoKey; why <= persistence.Lost; why++ {
		names[why.String()] = true
	}
	r := newRig(t, setup{})
	w := r.wire(t, "127.0.0.2")
	logon(w, "/EWS/Exchange.asmx", "alice", "Secret1") // two requests, one on a pinned connection
	r.logged(2)
	text, _ := r.accessLog()
	for line := range strings.Lines(text) {
		collect(t, names, line)
	}
	for _, n := range []*node.Node{r.node, newRPC(t, rpcSetup{mapper: "rewrite"}).node} {
		page := httptest.NewRecorder()
		admin.New(n, admin.Options{Loopback: true}).ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/api/v1/status", nil))
		collect(t, names, page.Body.String())
	}
	for _, want := range []string{"server_garbage", "evictions", "duration", "pinned", "conflict", "kill"} {
		if !names[want] {
			t.Errorf("%s is not among the names that were collected", want)
		}
	}
	for name := range names {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/OPERATIONS.md does not explain %q", name)
		}
	}
}

// collect adds the names of a JSON object to names, those of inner objects too.
func collect(t *testing.T, names map[string]bool, text string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	collectFrom(names, value)
}

func collectFrom(names map[string]bool, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			names[name] = true
			collectFrom(names, inner)
		}
	case []any:
		for _, inner := range v {
			collectFrom(names, inner)
		}
	}
}
