package node

import (
	"fmt"
	"path/filepath"
	"testing"

	"casbah/lab"
	"casbah/profiles"
)

// Sessions of mail are followed, but where clients begin with TLS that passes; and
// servers that are asked for TLS are reached on the port for clients in clear.
func TestMailIsFollowed(t *testing.T) {
	cert, key, err := lab.Certificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair := fmt.Sprintf("certificate = [{ cert = %q, key = %q }]\n", filepath.ToSlash(cert), filepath.ToSlash(key))
	text := fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "upstream_tls = \"starttls\"\ntls = { verify = false }") +
		tcpVIP("imap", "127.0.0.1:143", "imap4") + tcpVIP("imaps", "127.0.0.1:993", "imap4") +
		tcpVIP("ends", "127.0.0.2:143", "imap4") + "starttls = true\nrequire_tls = true\n" + pair +
		"[[vip]]\nname = \"tls\"\ntype = \"tls\"\nlisten = [\"127.0.0.2:995\"]\nprofiles = [\"pop3\"]\npool = \"cas\"\n" + pair +
		tcpVIP("own", "127.0.0.1:2525", "submit") +
		"[[vip]]\nname = \"passed\"\ntype = \"tcp\"\nlisten = [\"127.0.0.3:993\"]\nprofiles = [\"imap4\"]\npool = \"tls\"\n" +
		"[[pool]]\nname = \"tls\"\nservers = [\"cas1\"]\n" +
		"[profile.submit]\nprotocol = \"tcp\"\nports = [2525]\nprobe = { kind = \"smtp\" }\n"
	snap, vips := built(t, text)
	for _, v := range snap.vips {
		r, name := v.relay(), v.conf.Name
		if follows := r.Speaks != nil; follows != (name != "passed") {
			t.Errorf("%s is followed: %v", name, follows)
		}
		if ends := name == "ends"; r.Options.Offer != ends || r.Options.Require != ends || (v.tls != nil) != (ends || name == "tls") {
			t.Errorf("%s: %+v, with TLS of its own: %v", name, r.Options, v.tls != nil)
		}
		if name == "passed" {
			continue
		}
		port := map[string]string{"imap": "143", "imaps": "143", "ends": "143", "tls": "110", "own": "2525"}[name]
		if e := vips[name].Profiles[0].Candidates[0].Endpoint; e.TLS != nil || e.StartTLS == nil || e.Target != "192.0.2.11:"+port {
			t.Errorf("%s reaches its servers at %s, TLS at once %v, asked for %v; want port %s, and to ask", name, e.Target, e.TLS != nil, e.StartTLS != nil, port)
		}
	}
	if got := profiles.MailProtocol(snap.config.Profiles["rpc_client_access"]); got != "" {
		t.Errorf("RPC is taken for %s", got)
	}
}
