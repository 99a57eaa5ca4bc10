package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"casbah/lab"
)

// The real requests-ntlm binds its logins to TLS: they work through casbah if the
// servers, which require that, have the certificate of the VIP, and fail else.
func TestRealLoginsBoundToTLS(t *testing.T) {
	t.Parallel()
	real(t)
	engines(t, func(t *testing.T, m mode) {
		id := newIdentity(t, t.TempDir())
		r := newRig(t, setup{
			mode: m, lab: lab.Options{TLS: true, Protected: true, CertFile: id.cert, KeyFile: id.key},
			profiles: `"ews"`, extra: protected,
		})
		const page = "/EWS/Exchange.asmx"
		r.until("casbah warns of every server", func() bool { return len(r.advised()) == 3 })
		if status := r.requestsLogon(t, page); status != "401" {
			t.Errorf("with another certificate: status %s; want 401", status)
		}
		text, _, _ := strings.Cut(r.read(), "[[vip.certificate]]")
		r.reload(text + id.ofVIP() + protected)
		r.until("nothing is advised", func() bool { return len(r.advised()) == 0 })
		if status := r.requestsLogon(t, page); status != "200" {
			t.Errorf("with the same certificate: status %s; want 200", status)
		}
	})
}

// Where TLS ends at casbah and the servers are reached in plain, the real logins
// fail that are bound to it, of which casbah has warned before.
func TestRealBoundLoginsOffloaded(t *testing.T) {
	t.Parallel()
	real(t)
	engines(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, lab: lab.Options{Protected: true}, profiles: `"ews"`, extra: "[profile.ews]\nextended_protection = \"allow\"\nhttps_redirect = true\n"})
		r.until("casbah warns", func() bool {
			advice := r.advised()
			return len(advice) == 1 && strings.Contains(advice[0], "vip tls: ews: warning: TLS ends at casbah") && strings.Contains(advice[0], "401")
		})
		if status := r.requestsLogon(t, "/EWS/Exchange.asmx"); status != "401" {
			t.Errorf("status %s; want 401, as the warning says", status)
		}
		out, err := exec.CommandContext(t.Context(), build.path(t), "check", "-c", r.conf, "-online").Output()
		if err != nil || !strings.Contains(string(out), r.advised()[0]) {
			t.Errorf("check -online: %v, without %q:\n%s", err, r.advised(), out)
		}
	})
}

// requestsLogon logs on by the real requests-ntlm, which binds its logins. It
// returns the status.
func (r *rig) requestsLogon(t *testing.T, path string) string {
	t.Helper()
	const script = `import sys, warnings
warnings.simplefilter("ignore")
import requests, requests_ntlm
print(requests.get(sys.argv[1], auth=requests_ntlm.HttpNtlmAuth("LAB\\alice", "Secret1"), verify=False).status_code)`
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script, "https://"+r.tls+path).CombinedOutput()
	if err != nil {
		t.Fatalf("requests-ntlm: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}
