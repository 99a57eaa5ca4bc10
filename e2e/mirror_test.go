package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newMirrorRig returns casbah, balancing by turns, in front of three servers
// that answer every request alike: 200, their name in X-Lab-Server, and the
// Set-Cookie that X-Set of the request asks for.
func newMirrorRig(tb testing.TB, s setup, profiles ...string) *rig {
	tb.Helper()
	for _, name := range []string{"cas1", "cas2", "cas3"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Lab-Server", name)
			if set := r.Header.Get("X-Set"); set != "" {
				w.Header().Set("Set-Cookie", set)
			}
		}))
		tb.Cleanup(server.Close)
		s.servers = append(s.servers, strings.TrimPrefix(server.URL, "http://"))
	}
	s.pool = `algorithm = "round_robin"`
	s.profiles = `"` + strings.Join(profiles, `", "`) + `"`
	s.extra += unprobed(profiles...)
	return newRig(tb, s)
}

// from sends a request from source, without a cookie jar.
func (r *rig) from(source, path string, headers ...string) answer {
	r.t.Helper()
	c := r.client(source)
	c.Jar = nil
	return c.do("GET", path, "", headers...)
}

// spread fails unless the three next requests come to three servers: nothing
// holds the client.
func (r *rig) spread(what, source, path string, headers ...string) {
	r.t.Helper()
	seen := map[string]bool{}
	for range 3 {
		a := r.from(source, path, headers...)
		if a.status != http.StatusOK {
			r.t.Errorf("%s: status %d; want 200", what, a.status)
		}
		seen[a.server] = true
	}
	if len(seen) != 3 {
		r.t.Errorf("%s: three requests came to %d servers; want 3", what, len(seen))
	}
}

// sticks fails unless the next requests all come to server.
func (r *rig) sticks(what, server, source, path string, headers ...string) {
	r.t.Helper()
	for range 4 {
		if a := r.from(source, path, headers...); a.server != server {
			r.t.Errorf("%s: served by %s; want %s", what, a.server, server)
		}
	}
}

// decision is what an access record tells of how a server was chosen.
type decision struct {
	Profile, Server, Step, Why string
	Status                     int
}

// decisions stops casbah and returns what its access log tells.
func (r *rig) decisions() []decision {
	r.t.Helper()
	r.stop()
	f, err := os.Open(filepath.Join(filepath.Dir(r.conf), "access.log"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	var all []decision
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var d decision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			r.t.Fatalf("%v in %s", err, lines.Text())
		}
		all = append(all, d)
	}
	return all
}
