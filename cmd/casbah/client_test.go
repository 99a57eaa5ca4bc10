package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asking runs casbah with args against a server that answers with h.
func asking(t *testing.T, h http.HandlerFunc, args ...string) (code int, errors string) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(" moonlight\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(args, "-admin", srv.URL, "-token-file", token), &terminal{out: &stdout, err: &stderr})
	return code, strings.ReplaceAll(stderr.String(), srv.URL, "SERVER")
}

func TestWhatAnswersBadly(t *testing.T) {
	const row = `{"key":"00000000000000000000000000000001","server":"cas1","step":"source_ip"}` + "\n"
	say := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		args   []string
		want   string
	}{
		{"html", say(200, "<html>"), []string{"status"}, "the answer of SERVER cannot be read: invalid character"},
		{"other-json", say(200, "[1]"), []string{"status"}, "the answer of SERVER cannot be read: json:"},
		{"empty", say(200, ""), []string{"status"}, "the answer of SERVER cannot be read: EOF"},
		{"no-such-path", say(404, "404 page not found\n"), []string{"status"}, "SERVER has no GET /api/v1/status"},
		{"another-product", say(500, "oh\nno"), []string{"status"}, "refused: 500 Internal Server Error oh"},
		{"control-characters", say(500, "\x1b[2Joh"), []string{"status"}, "refused: 500 Internal Server Error ?[2Joh"},
		{"in-force", say(500, `{"error":"in force, but it would not outlive a restart"}`), []string{"drain", "cas1"}, "in force, but it would not"},
		{"reason", say(503, `{"error":"too many"}`), []string{"bindings"}, "refused: too many"},
		{"cut", say(200, row+row), []string{"bindings"}, "the answer of SERVER cannot be read: unexpected EOF"},
		{"cut-as-json", say(200, row), []string{"bindings", "-json"}, "the answer of SERVER cannot be read: unexpected EOF"},
		{"cut-in-a-line", say(200, row+`{"key"`), []string{"bindings"}, "the answer of SERVER cannot be read: unexpected end of JSON input"},
		{"endless-line", say(200, strings.Repeat(" ", lineMax+1)), []string{"bindings"}, "the answer of SERVER cannot be read: bufio.Scanner: token too long"},
		{"count", say(200, "[]"), []string{"bindings", "count"}, "the answer of SERVER cannot be read: json:"},
		{"lookup", say(200, "{}"), []string{"bindings", "-from", "192.0.2.1"}, "the answer of SERVER cannot be read: json:"},
		{"delete", say(200, "[]"), []string{"bindings", "delete", "-all"}, "the answer of SERVER cannot be read: json:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, errors := asking(t, tt.answer, tt.args...)
			if code != exitFails || !strings.HasPrefix(errors, "casbah: "+tt.want) {
				t.Errorf("exit code %d, %q; want 1, %q", code, errors, tt.want)
			}
		})
	}
}

// Who deletes what a client has is told what is gone where not all of it could be.
func TestHalfDeletedBindings(t *testing.T) {
	deletes := 0
	code, errors := asking(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			fmt.Fprint(w, `[{"key":"01","server":"cas1"},{"key":"02","server":"cas2"}]`)
		case deletes == 0:
			deletes++
			fmt.Fprint(w, `{"deleted":1}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"casbah is starting"}`)
		}
	}, "bindings", "delete", "-from", "192.0.2.1")
	if want := "casbah: 1 binding deleted, and then: refused: casbah is starting\n"; code != exitFails || errors != want {
		t.Errorf("exit code %d, %q; want 1, %q", code, errors, want)
	}
}

// The token goes where it is told to, and nowhere else: no redirection is followed.
func TestTokenIsNotSentElsewhere(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	var got string
	code, errors := asking(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, "reload")
	if got != "Bearer moonlight" || code != exitFails || !strings.Contains(errors, "307") {
		t.Errorf("sent %q, exit code %d, %q", got, code, errors)
	}
	if elsewhere != nil {
		t.Errorf("another server got %q", elsewhere)
	}
}

// What a client brings goes in the body; the address of the request holds nothing
// of it.
func TestLookupGoesInTheBody(t *testing.T) {
	var address string
	var body bytes.Buffer
	_, errors := asking(t, func(w http.ResponseWriter, r *http.Request) {
		address = r.Method + " " + r.URL.String()
		_, _ = body.ReadFrom(r.Body)
		fmt.Fprint(w, "[]")
	}, "bindings", "-vip", "mail", "-profile", "owa", "-from", "192.0.2.1", "-to", "192.0.2.2", "-user", "alice", "-cookie", "c", "-H", "A: b", "-H", "C: d")
	want := `{"vip":"mail","profile":"owa","from":"192.0.2.1","to":"192.0.2.2","user":"alice","cookie":"c","headers":["A: b","C: d"]}`
	if address != "POST /api/v1/bindings/lookup" || body.String() != want || errors != "" {
		t.Errorf("%s %s, %q; want %s", address, body.String(), errors, want)
	}
}
