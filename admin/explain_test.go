package admin

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"casbah/node"
)

// Explain fails for a URL that is empty, and else tells what it was asked.
func (f *fake) Explain(q *node.Question) (*node.Explanation, error) {
	f.question = *q
	if q.URL == "" {
		return nil, errors.New("url: want http://HOST/PATH")
	}
	return &node.Explanation{VIP: "mail", Server: "cas1", Why: "bound", Path: q.URL, Chain: []string{}, Steps: []node.ExplainedStep{}, Servers: []node.ExplainedServer{}}, nil
}

// Decisions are three.
func (f *fake) Decisions(filter node.DecisionFilter) iter.Seq[*node.Explanation] {
	f.decided = filter
	return func(yield func(*node.Explanation) bool) {
		for _, path := range []string{"/3", "/2", "/1"} {
			if !yield(&node.Explanation{VIP: "mail", Server: "cas1", Why: "fresh", Path: path}) {
				return
			}
		}
	}
}

// asks posts a question.
func asks(h http.Handler, body string, head map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/api/v1/explain", strings.NewReader(body))
	r.Host = "127.0.0.1:8404"
	for name, value := range head {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestExplain(t *testing.T) {
	f := newFake()
	h := New(f, Options{Loopback: true})
	w := asks(h, `{"method": "GET", "url": "/owa/", "from": "192.0.2.7", "headers": ["A: b"], "vip": "mail"}`, nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"server": "cas1"`) || !strings.Contains(w.Body.String(), `"steps": []`) {
		t.Errorf("explain = %d %s; want 200 and the explanation", w.Code, w.Body)
	}
	if q := f.question; q.Method != "GET" || q.URL != "/owa/" || q.From != "192.0.2.7" || len(q.Headers) != 1 || q.Headers[0] != "A: b" || q.VIP != "mail" {
		t.Errorf("asked %+v", q)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"mistake", `{}`, `"error": "url: want http://HOST/PATH"`},
		{"no-json", `moonlight`, "want a JSON object of method, url, from, vip, and headers"},
		{"unknown-key", `{"moonlight": 1}`, "want a JSON object"},
		{"wrong-kind", `{"url": "/", "headers": "Cookie: moonlight"}`, "want a JSON object"},
		{"too-long", `{"url": "` + strings.Repeat("moonlight", 1<<18) + `"}`, "want a JSON object"},
	} {
		w := asks(h, tt.body, nil)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "moonlight") {
			t.Errorf("%s = %d %s; want 400, %s", tt.name, w.Code, w.Body, tt.want)
		}
	}
}

// A question changes nothing, so it takes what reads take: nothing on loopback,
// the token elsewhere; and no foreign page may ask.
func TestExplainTakesWhatReadsTake(t *testing.T) {
	const body = `{"url": "/owa/"}`
	remote := New(newFake(), Options{Token: token})
	if w := asks(remote, body, nil); w.Code != http.StatusUnauthorized {
		t.Errorf("off loopback without the token: %d; want 401", w.Code)
	}
	if w := asks(remote, body, map[string]string{"Authorization": "Bearer " + token}); w.Code != http.StatusOK {
		t.Errorf("off loopback with the token: %d; want 200", w.Code)
	}
	if w := asks(New(newFake(), Options{Loopback: true}), body, map[string]string{"Sec-Fetch-Site": "cross-site"}); w.Code != http.StatusForbidden {
		t.Errorf("a foreign page gets %d; want 403", w.Code)
	}
	if w := (ask{method: "GET", path: "/api/v1/decisions"}).of(remote); w.Code != http.StatusUnauthorized {
		t.Errorf("decisions without the token: %d; want 401", w.Code)
	}
}

func TestDecisions(t *testing.T) {
	f := newFake()
	h := New(f, Options{Loopback: true})
	w := ask{method: "GET", path: "/api/v1/decisions?vip=mail&profile=owa&server=cas1&from=192.0.2.0/24&why=fresh&n=3"}.of(h)
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if w.Code != http.StatusOK || len(lines) != 4 || !strings.Contains(lines[0], `"path":"/3"`) || lines[3] != `{"end":true,"rows":3}` {
		t.Errorf("decisions = %d %s; want 3, the newest first, and an end", w.Code, w.Body)
	}
	want := node.DecisionFilter{VIP: "mail", Profile: "owa", Server: "cas1", From: netip.MustParsePrefix("192.0.2.0/24"), Why: "fresh", N: 3}
	if f.decided != want {
		t.Errorf("the filter is %+v; want %+v", f.decided, want)
	}
	if (ask{method: "GET", path: "/api/v1/decisions?from=::ffff:192.0.2.7"}).of(h); f.decided.From != netip.MustParsePrefix("192.0.2.7/32") {
		t.Errorf("from is %v; want 192.0.2.7/32", f.decided.From)
	}
	for query, want := range map[string]string{
		"from=mail":       "from: want an address or a network",
		"from=192.0.2/24": "from: want an address or a network",
		"n=0":             "n: want a number from 1",
		"n=x":             "n: want a number from 1",
		"who=me":          "want one of vip, profile, server, from, why, n",
		"vip=":            "want one value",
		"vip=a&vip=b":     "want one value",
	} {
		if w := (ask{method: "GET", path: "/api/v1/decisions?" + query}).of(h); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s = %d %s; want 400, %s", query, w.Code, w.Body, want)
		}
	}
}
