package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"casbah/lab"
)

// curl runs the real curl and returns what it printed.
func (p *process) curl(args ...string) string {
	p.t.Helper()
	out, err := p.tryCurl(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// tryCurl is curl for goroutines that may not end the test.
func (p *process) tryCurl(args ...string) (string, error) {
	args = append([]string{"--silent", "--show-error", "--max-time", "60", "--cacert", p.ca}, args...)
	cmd := exec.Command("curl", args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("curl %s: %w\n%s%s", strings.Join(args, " "), err, complaint.String(), out)
	}
	return string(out), nil
}

// curlLab starts a lab for tests with curl.
func curlLab(t *testing.T) *process {
	t.Helper()
	real(t)
	peer(t, "curl")
	return startLab(t)
}

// modes runs f with each driver in front of the lab, at the plain and at the TLS
// VIP.
func (p *process) modes(f func(p *process, base string)) {
	for _, engine := range drivers {
		p.t.Run(engine, func(t *testing.T) {
			p := p.in(t).front(engine)
			t.Run("plain", func(t *testing.T) { f(p.in(t), p.http) })
			t.Run("tls", func(t *testing.T) { f(p.in(t), p.https) })
		})
	}
}

// in returns p for the use of a subtest.
func (p *process) in(t *testing.T) *process {
	t.Helper()
	q := *p
	q.t = t
	return &q
}

// Field values and status codes in what `curl -i` prints.
var (
	labServer = regexp.MustCompile(`(?m)^X-Lab-Server: (\S+)`)
	labUser   = regexp.MustCompile(`(?m)^X-Lab-User: (\S+)`)
	labConn   = regexp.MustCompile(`(?m)^X-Lab-Conn: (\S+)`)
	statuses  = regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d{3})`)
)

// all returns what a pattern finds, in order.
func all(pattern *regexp.Regexp, text string) []string {
	var found []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// NTLM authenticates a connection. Several users and nobody at all work at once,
// and nobody is ever taken for another.
func TestRealCurlUsersKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	p := curlLab(t)
	users := []string{"alice:Secret1", "bob:Secret2", "carol:Secret3", "dave:Secret4", ""}
	p.modes(func(p *process, base string) {
		var work sync.WaitGroup
		for range 5 {
			for _, user := range users {
				work.Go(func() { p.workAs(base, user) })
			}
		}
		work.Wait()
	})
	if state := p.state(); strings.Count(state, " leaks 0 ") != 3 {
		t.Errorf("a server met a foreign identity:\n%s", state)
	}
}

// workAs asks three times over one connection, as a user or as nobody.
func (p *process) workAs(base, user string) {
	t := p.t
	page := base + "/EWS/Exchange.asmx"
	args := []string{"--include", page, page, page}
	want := []string{"401", "200", "200", "200"}
	if user == "" {
		want = []string{"401", "401", "401"}
	} else {
		args = append(args, "--ntlm", "--user", `LAB\`+user)
	}
	out, err := p.tryCurl(args...)
	if err != nil {
		t.Error(err)
		return
	}
	if got := all(statuses, out); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q: statuses %v; want %v\n%s", user, got, want, out)
	}
	name, _, _ := strings.Cut(user, ":")
	named := all(labUser, out)
	for _, got := range named {
		if got != name {
			t.Errorf("a request of %q was served as %q", name, got)
		}
	}
	if name != "" && len(named) != 3 {
		t.Errorf("%q was served %d times; want 3", name, len(named))
	}
	conns := all(labConn, out)
	for _, c := range conns {
		if name != "" && c != conns[0] {
			t.Errorf("%q was on the connections %v of servers; want one", name, conns)
		}
	}
}

// S15, S68: a session is kept over two source addresses by its cookie. S26: when
// its server stops, one more logon leads to another one, and there it stays.
func TestRealCurlSessionOverTwoAddresses(t *testing.T) {
	t.Parallel()
	p := curlLab(t)
	p.modes(func(p *process, base string) {
		t := p.t
		jar := filepath.Join(t.TempDir(), "jar")
		page := func(source string) (status, server, user string) {
			out := p.curl("--include", "--interface", source, "--cookie", jar, "--cookie-jar", jar, base+"/owa/?page=2")
			return first(all(statuses, out)), first(all(labServer, out)), first(all(labUser, out))
		}
		logon := func(source string) string {
			out := p.curl("--include", "--interface", source, "--cookie", jar, "--cookie-jar", jar,
				"--data", "username=alice", "--data", "password=Secret1", base+"/owa/auth/owaauth.dll")
			return first(all(labServer, out))
		}
		home := logon("127.0.0.2")
		for i := range 10 {
			source := fmt.Sprintf("127.0.0.%d", 2+i%2)
			if status, server, user := page(source); status != "200" || server != home || user != "alice" {
				t.Fatalf("page %d from %s: %s by %s for %q; want 200 by %s for alice", i, source, status, server, user, home)
			}
		}
		p.order(home + "/stop")
		defer p.order(home + "/start")
		status, second, _ := page("127.0.0.3")
		if status != "440" || second == home {
			t.Fatalf("after %s stopped: %s by %s; want 440 by another server", home, status, second)
		}
		if server := logon("127.0.0.3"); server != second {
			t.Errorf("the second logon went to %s; want %s, which asked for it", server, second)
		}
		for i := range 10 {
			source := fmt.Sprintf("127.0.0.%d", 2+i%2)
			if status, server, user := page(source); status != "200" || server != second || user != "alice" {
				t.Errorf("page %d from %s: %s by %s for %q; want 200 by %s for alice", i, source, status, server, user, second)
			}
		}
		p.order(home + "/start")
		p.until(home+" is up again", func() bool { return p.states(home, "") == "up" })
	})
}

// first returns the first of what was found, "" without any.
func first(found []string) string {
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// An HTTP/1.0 client gets its answer whole, delimited by the length or the end
// of the connection, and none in chunks.
func TestRealCurlHTTP10(t *testing.T) {
	p := curlLab(t)
	p.modes(func(p *process, base string) {
		t := p.t
		out := p.curl("--http1.0", "--include", base+"/owa/auth/logon.aspx")
		if first(all(statuses, out)) != "200" || strings.Contains(out, "chunked") || !strings.HasSuffix(out, "</html>\n") {
			t.Errorf("logon page:\n%s", out)
		}
		file := filepath.Join(t.TempDir(), "oab")
		p.curl("--http1.0", "--user", "alice:Secret1", "--output", file, oabURL(base))
		if info, err := os.Stat(file); err != nil || info.Size() != 1<<20 {
			t.Errorf("address book: %v, %v; want 1 MiB", info, err)
		}
	})
}

func oabURL(base string) string {
	return base + "/OAB/" + lab.OABID + "/f2b0a3b6-data-1.lzx"
}

// An upload that waits for 100 Continue gets it from the server, and arrives.
func TestRealCurlUploadWaitsForContinue(t *testing.T) {
	p := curlLab(t)
	const size = 2 << 20
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	p.modes(func(p *process, base string) {
		t := p.t
		// Without 100 Continue curl would wait for a minute, which is its limit here.
		out := p.curl("--include", "--user", "alice:Secret1", "--request", "RPC_IN_DATA", "--upload-file", body,
			"--header", "Expect: 100-continue", "--expect100-timeout", "60", base+"/rpc/rpcproxy.dll")
		if got := strings.Join(all(statuses, out), " "); got != "100 200" {
			t.Errorf("statuses %s; want 100 200\n%s", got, out)
		}
		if !strings.Contains(out, "X-Lab-Octets: "+strconv.Itoa(size)) {
			t.Errorf("the server did not count %d octets:\n%s", size, out)
		}
	})
}

// The offline address book is fetched in ranges, as BITS does.
func TestRealCurlRangesOfTheAddressBook(t *testing.T) {
	p := curlLab(t)
	p.modes(func(p *process, base string) {
		t := p.t
		dir := t.TempDir()
		whole, part := filepath.Join(dir, "whole"), filepath.Join(dir, "part")
		auth := []string{"--user", "alice:Secret1"}
		p.curl(append(auth, "--output", whole, oabURL(base))...)
		out := p.curl(append(auth, "--range", "1000-300999", "--dump-header", "-", "--output", part, oabURL(base))...)
		if first(all(statuses, out)) != "206" || !strings.Contains(out, "Content-Range: bytes 1000-300999/1048576") {
			t.Errorf("range:\n%s", out)
		}
		want, got := contents(t, whole), contents(t, part)
		if len(want) != 1<<20 || got != want[1000:301000] {
			t.Errorf("the range has %d octets of %d, or others", len(got), len(want))
		}
	})
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A phone's OPTIONS is answered, with names in the server's spelling.
func TestRealCurlActiveSyncOptions(t *testing.T) {
	p := curlLab(t)
	p.modes(func(p *process, base string) {
		t := p.t
		out := p.curl("--include", "--request", http.MethodOptions, "--user", "carol:Secret3", base+"/Microsoft-Server-ActiveSync")
		for _, want := range []string{"HTTP/1.1 200 OK\r\n", "\r\nMS-ASProtocolVersions: 2.0,", "\r\nMS-ASProtocolCommands: Sync,"} {
			if !strings.Contains(out, want) {
				t.Errorf("OPTIONS lacks %q:\n%s", want, out)
			}
		}
	})
}
