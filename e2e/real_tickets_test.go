package e2e

import (
	"context"
	"crypto/tls"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openssl asks once for a page by the real s_client, with TLS of that version.
func (r *rig) openssl(t *testing.T, version string, args ...string) (server, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args = append([]string{"s_client", "-connect", r.tls, "-servername", "localhost", "-ign_eof", "-tls1_" + version}, args...)
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Stdin = strings.NewReader("GET /EWS/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	out, err := cmd.CombinedOutput()
	said = string(out)
	found := labServer.FindStringSubmatch(said)
	if err != nil || found == nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return found[1], said
}

// S11, S38: the real openssl comes back to its server each time that it resumes
// its session, with TLS 1.2 and 1.3, across a restart.
func TestRealOpenSSLResumesAtItsServer(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "openssl")
	tickets(t, func(t *testing.T, m mode, version uint16) {
		minor := map[uint16]string{tls.VersionTLS12: "2", tls.VersionTLS13: "3"}[version]
		s := setup{mode: m}
		r := newMirrorRig(t, s, "ews")
		file := filepath.Join(t.TempDir(), "session.pem")
		home, said := r.openssl(t, minor, "-sess_out", file)
		if !strings.Contains(said, "New, TLSv1."+minor) {
			t.Fatalf("the first handshake is not a new one:\n%s", said)
		}
		resume := func(when string) {
			t.Helper()
			for n := range 3 {
				got, said := r.openssl(t, minor, "-sess_in", file, "-sess_out", file)
				if got != home || !strings.Contains(said, "Reused, TLSv1."+minor) {
					t.Errorf("%s, resumption %d: served by %s; want %s on a resumed session:\n%s", when, n+1, got, home, said)
				}
			}
			others := make(map[string]bool)
			for range 3 {
				other, _ := r.openssl(t, minor)
				others[other] = true
			}
			if len(others) != 3 {
				t.Errorf("%s, three new sessions came to %d servers; want 3", when, len(others))
			}
		}
		resume("at first")
		r.stop()
		r.start(s)
		resume("after a restart")
	})
}

// S11: the same with -reconnect, which resumes five times in one run.
func TestRealOpenSSLReconnects(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "openssl")
	engines(t, func(t *testing.T, m mode) {
		m.vip = "tls"
		r := newMirrorRig(t, setup{mode: m}, "ews")
		_, said := r.openssl(t, "2", "-reconnect")
		if n := strings.Count(said, "Reused, TLSv1.2"); n != 5 {
			t.Errorf("%d of 5 sessions were resumed:\n%s", n, said)
		}
	})
}

// S11, S38: the real curl keeps its session of TLS 1.3 from one connection to the
// next. In TLS 1.2 it takes no tickets, so that a session yields no key and each
// request is balanced.
func TestRealCurlResumesAtItsServer(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "curl")
	tickets(t, func(t *testing.T, m mode, version uint16) {
		minor := map[uint16]string{tls.VersionTLS12: "2", tls.VersionTLS13: "3"}[version]
		r := newMirrorRig(t, setup{mode: m}, "ews")
		visit := func() []string {
			t.Helper()
			page := "https://" + r.tls + "/EWS/"
			out, err := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--insecure", "--include", "--http1.1",
				"--tlsv1."+minor, "--tls-max", "1."+minor, "--header", "Connection: close", page, page, page).CombinedOutput()
			if err != nil {
				t.Fatalf("curl: %v\n%s", err, out)
			}
			return all(labServer, string(out))
		}
		want := [][]string{{"cas1", "cas1", "cas1"}, {"cas2", "cas2", "cas2"}, {"cas3", "cas3", "cas3"}}
		step := "ssl_id"
		if version == tls.VersionTLS12 {
			want = [][]string{{"cas1", "cas2", "cas3"}, {"cas1", "cas2", "cas3"}, {"cas1", "cas2", "cas3"}}
			step = ""
		}
		for run, servers := range want {
			if got := visit(); !slices.Equal(got, servers) {
				t.Errorf("run %d came to %v; want %v", run+1, got, servers)
			}
		}
		for i, rec := range r.logged(9) {
			if i%3 != 0 && *rec.Step != step {
				t.Errorf("request %d: step %q; want %q", i+1, *rec.Step, step)
			}
		}
	})
}
