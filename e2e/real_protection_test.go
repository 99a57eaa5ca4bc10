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
	real(t)
	engines(t, func(t *testing.T, m mode) {
		id := newIdentity(t, t.TempDir())
		r := newRig(t, setup{
			mode: m, lab: lab.Options{TLS: true, Protected: true, CertFile: id.cert, KeyFile: id.key},
			profiles: `"ews"`, extra: protected,
		})
		const page = "/EWS/Exchange.asmx"
		if status := r.requestsLogon(t, page); status != "401" {
			t.Errorf("with another certificate: status %s; want 401", status)
		}
		text, _, _ := strings.Cut(r.read(), "[[vip.certificate]]")
		r.reload(text + id.ofVIP() + protected)
		if status := r.requestsLogon(t, page); status != "200" {
			t.Errorf("with the same certificate: status %s; want 200", status)
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
