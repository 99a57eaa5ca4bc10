package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/Azure/go-ntlmssp"

	"casbah/lab"
	"casbah/node"
	"casbah/protocols/ntlm"
)

// boundLogon logs on by NTLM at the https VIP, as Windows does: the login is tied
// to the certificate that the client sees. It returns the status.
func (r *rig) boundLogon(t *testing.T, path string) int {
	t.Helper()
	conn, err := tls.Dial("tcp", r.tls, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWire(t, conn)
	w.within(patience)
	ask := func(auth string) (status int, offer string) {
		w.sayf("GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n", path, auth)
		resp, _ := w.response("GET")
		return resp.StatusCode, resp.Header.Get("Www-Authenticate")
	}
	auth, err := ntlmType1("NTLM")
	if err != nil {
		t.Fatal(err)
	}
	_, offer := ask(auth)
	_, token, _ := strings.Cut(offer, " ")
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	// The attributes of the challenge come back in the answer. What the client adds
	// to them is put there before, since the library has no way to add it.
	challenge, err := ntlm.ParseChallenge(raw)
	if err != nil {
		t.Fatalf("%v in %q", err, offer)
	}
	info, ok := bytes.CutSuffix(challenge.TargetInfo, ntlm.AppendPair(nil, ntlm.EndOfList, nil))
	if !ok {
		t.Fatal("the attributes have no end")
	}
	info = ntlm.AppendPair(info, ntlm.ChannelBindings, lab.Binding(conn.ConnectionState().PeerCertificates[0].Raw))
	challenge.TargetInfo = ntlm.AppendPair(info, ntlm.EndOfList, nil)
	answer, err := ntlmssp.NewAuthenticateMessage(challenge.AppendTo(nil), "alice", "Secret1", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := ask("NTLM " + base64.StdEncoding.EncodeToString(answer))
	return status
}

// protected is the profile of web services that require Extended Protection.
const protected = "[profile.ews]\nextended_protection = \"require\"\nhttps_redirect = true\n"

// advised returns the texts of what the adviser says at present.
func (r *rig) advised() []string {
	var all []string
	p := r.node.Status().Protection
	for i := range p.Advice {
		all = append(all, node.AdviceText(&p.Advice[i]))
	}
	return all
}

// Logins that are bound to TLS work through casbah if the servers have the
// certificate of the VIP, and fail else, of which casbah has warned before; also
// when the certificate is changed on one side only.
func TestExtendedProtection(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		dir := t.TempDir()
		id := newIdentity(t, dir)
		r := newRig(t, setup{
			mode: m, lab: lab.Options{TLS: true, Protected: true, CertFile: id.cert, KeyFile: id.key},
			profiles: `"ews"`, extra: protected,
		})
		const page = "/EWS/Exchange.asmx"
		r.until("the servers were asked", func() bool { return !r.node.Status().Protection.Checked.IsZero() })
		advice := r.advised()
		if len(advice) != 3 {
			t.Fatalf("advice %q; want one for each server", advice)
		}
		shown := r.node.Status().Protection
		for i, a := range shown.Advice {
			for _, part := range []string{"vip tls: ews: warning: server cas", a.Shown, a.Served, "401", "put the same certificate with its key on the VIP and on every server"} {
				if !strings.Contains(advice[i], part) || part == "" {
					t.Errorf("advice %q does not say %q", advice[i], part)
				}
			}
			if a.Served != shown.Servers[i].Fingerprint || a.Shown == a.Served {
				t.Errorf("shown %s, served %s; the servers show %s", a.Shown, a.Served, shown.Servers[i].Fingerprint)
			}
		}
		out, err := exec.CommandContext(t.Context(), build.path(t), "check", "-c", r.conf, "-online").Output()
		if err != nil {
			t.Errorf("check -online: %v; want no error for a warning", err)
		}
		for _, line := range append(advice, "pool cas, server cas1: certificate "+shown.Servers[0].Fingerprint) {
			if !strings.Contains(string(out), "\n"+line+"\n") {
				t.Errorf("check -online does not say %q:\n%s", line, out)
			}
		}
		if status := r.boundLogon(t, page); status != http.StatusUnauthorized {
			t.Errorf("with another certificate: status %d; want 401", status)
		}
		text, _, _ := strings.Cut(r.read(), "[[vip.certificate]]")
		r.reload(text + id.ofVIP() + protected)
		r.until("nothing is advised", func() bool { return len(r.advised()) == 0 })
		if status := r.boundLogon(t, page); status != http.StatusOK {
			t.Errorf("with the same certificate: status %d; want 200", status)
		}
		newIdentity(t, dir) // renewed at the VIP alone
		r.reload(r.read())
		r.until("casbah warns", func() bool { return len(r.advised()) == 3 })
		if status := r.boundLogon(t, page); status != http.StatusUnauthorized {
			t.Errorf("with a certificate that was renewed at the VIP alone: status %d; want 401", status)
		}
	})
}
