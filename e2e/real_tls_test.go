package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/internal/pki/pkitest"
)

// judged is casbah with a VIP for each policy, at most, each with an ECDSA and an
// RSA certificate.
type judged struct {
	*rig
	at map[string]string // host:port by policy
}

func newJudged(t *testing.T, engine string) *judged {
	t.Helper()
	ca := pkitest.NewAuthority(t, "Test CA")
	ec, rs := pkitest.ECDSA(t), pkitest.RSA(t)
	certs := ""
	for _, pair := range []string{
		pkitest.Write(t, "ec.pem", pkitest.CertBlock(ca.Issue(t, ec, 90*24*time.Hour, "localhost").Leaf), pkitest.KeyBlock(t, ec)),
		pkitest.Write(t, "rsa.pem", pkitest.CertBlock(ca.Issue(t, rs, 90*24*time.Hour, "localhost").Leaf), pkitest.KeyBlock(t, rs)),
	} {
		certs += fmt.Sprintf("[[vip.certificate]]\ncert = %q\n", pair)
	}
	extra := unprobed("owa")
	for _, policy := range []string{"modern", "intermediate", "legacy"} {
		extra += fmt.Sprintf("[[vip]]\nname = %q\ntype = \"https\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\"]\npool = \"cas\"\n%s[vip.tls]\npolicy = %q\nhsts = \"8760h\"\n",
			policy, certs, policy)
	}
	j := &judged{rig: newRig(t, setup{mode: mode{engine: engine}, servers: []string{subjects(t)}, profiles: `"owa"`, extra: extra}), at: make(map[string]string)}
	for _, policy := range []string{"modern", "intermediate", "legacy"} {
		j.at[policy] = j.node.Addrs(policy)[0].String()
	}
	return j
}

// client runs openssl s_client, which asks for a page, and returns what it said.
func sClient(t *testing.T, addr string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer(t, "openssl"), append([]string{"s_client", "-connect", addr, "-servername", "localhost"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(in, "GET /owa/ HTTP/1.1\r\nHost: mail\r\nConnection: close\r\n\r\n")
	text, _ := io.ReadAll(out)
	_ = in.Close()
	_ = cmd.Wait() // a refusal is an error, and told in words
	return string(text)
}

// The real openssl gets what each policy allows, with the key that it can use.
func TestRealOpenSSLAgainstPolicies(t *testing.T) {
	t.Parallel()
	real(t)
	const ecdsa, rsa = "Peer signature type: ECDSA", "Peer signature type: RSA"
	all := []string{"modern", "intermediate", "legacy"}
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			j := newJudged(t, engine)
			for _, tt := range []struct {
				name  string
				args  string
				takes []string
				says  string
			}{
				{"1.3", "-tls1_3", all, "TLSv1.3"},
				{"1.3-rsa", "-tls1_3 -sigalgs RSA-PSS+SHA256", all, "RSA-PSS"},
				{"1.2", "-tls1_2", all[1:], ecdsa},
				{"1.2-rsa", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", all[1:], rsa},
				{"1.2-cbc", "-tls1_2 -cipher ECDHE-RSA-AES256-SHA", all[1:], "ECDHE-RSA-AES256-SHA"},
				{"1.2-rsa-key-exchange", "-tls1_2 -cipher AES128-SHA", all[2:], "AES128-SHA"},
				{"1.1", "-tls1_1 -cipher ALL:@SECLEVEL=0", all[2:], "TLSv1.1"},
				{"1.0", "-tls1 -cipher ALL:@SECLEVEL=0", all[2:], "Protocol  : TLSv1"},
				{"1.0-rsa-key-exchange", "-tls1 -cipher AES256-SHA:@SECLEVEL=0", all[2:], "AES256-SHA"},
			} {
				for _, policy := range all {
					said := sClient(t, j.at[policy], strings.Fields(tt.args)...)
					served := strings.Contains(said, "HTTP/1.1 200 OK") && strings.Contains(said, tt.says)
					if served != slices.Contains(tt.takes, policy) {
						t.Errorf("%s, openssl %s: served %v; want %v\n%s", policy, tt.args, served, !served, said)
					}
				}
			}
		})
	}
}

// accepted is a line of sslscan.
var accepted = regexp.MustCompile(`(?m)^(?:Accepted|Preferred)\s+(\S+)\s+(\d+) bits\s+(\S+)`)

// sslscan finds in each policy what it is for, and no more.
func TestRealSslscan(t *testing.T) {
	t.Parallel()
	real(t)
	const forward = `^(ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305|AES(128|256)-SHA)|TLS_(AES|CHACHA20)_\S+)$`
	want := map[string]struct{ versions, suites *regexp.Regexp }{
		"modern":       {regexp.MustCompile(`^TLSv1\.3$`), regexp.MustCompile(`^TLS_(AES|CHACHA20)_\S+$`)},
		"intermediate": {regexp.MustCompile(`^TLSv1\.[23]$`), regexp.MustCompile(forward)},
		"legacy":       {regexp.MustCompile(`^TLSv1\.[0123]$`), regexp.MustCompile(forward + `|^AES(128|256)(-GCM)?-SHA(256|384)?$|^TLS_(ECDHE_)?RSA_WITH_3DES_EDE_CBC_SHA$`)},
	}
	j := newJudged(t, "reactor")
	for policy, w := range want {
		out, err := exec.CommandContext(t.Context(), peer(t, "sslscan"), "--no-colour", "--sni-name=localhost", j.at[policy]).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := accepted.FindAllStringSubmatch(string(out), -1)
		for _, m := range lines {
			if !w.versions.MatchString(m[1]) || !w.suites.MatchString(m[3]) {
				t.Errorf("%s: sslscan finds %s with %s", policy, m[1], m[3])
			}
		}
		for _, good := range []string{"TLSv1.3   enabled", "SSLv3     disabled"} {
			if !strings.Contains(string(out), good) || len(lines) < 3 || strings.Contains(strings.ReplaceAll(string(out), "not vulnerable", ""), "vulnerable") {
				t.Errorf("%s: want %q, and nothing vulnerable:\n%s", policy, good, out)
			}
		}
	}
}

// Files that the real openssl writes are read: PKCS #12 of today and of Windows, and
// encrypted keys of every kind.
func TestRealKeyFiles(t *testing.T) {
	t.Parallel()
	real(t)
	openssl := peer(t, "openssl")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	run := func(args string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args, err, out)
		}
	}
	if err := os.WriteFile(file("words"), []byte("Secret1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost")
	run("pkcs12 -export -in rsa.pem -inkey rsa.key -out new.pfx -passout pass:Secret1")
	run("pkcs12 -export -legacy -in rsa.pem -inkey rsa.key -out old.pfx -passout pass:Secret1")
	run("pkcs12 -export -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1 -in rsa.pem -inkey rsa.key -out windows.pfx -passout pass:Secret1")
	run("pkcs8 -topk8 -in rsa.key -out aes.key -v2 aes-256-cbc -passout pass:Secret1")
	run("pkcs8 -topk8 -in rsa.key -out des3.key -v2 des3 -v2prf hmacWithSHA1 -passout pass:Secret1")
	run("pkcs8 -topk8 -in rsa.key -out scrypt.key -scrypt -passout pass:Secret1")
	for _, tt := range []struct{ name, cert, key string }{
		{"pkcs12", "new.pfx", ""},
		{"pkcs12-rc2", "old.pfx", ""},
		{"pkcs12-3des", "windows.pfx", ""},
		{"pkcs8-aes", "rsa.pem", "aes.key"},
		{"pkcs8-3des", "rsa.pem", "des3.key"},
		{"pkcs8-scrypt", "rsa.pem", "scrypt.key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vip := fmt.Sprintf("[[vip]]\nname = \"real\"\ntype = \"https\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\"]\npool = \"cas\"\n"+
				"[[vip.certificate]]\ncert = %q\npassphrase_file = %q\n", file(tt.cert), file("words"))
			if tt.key != "" {
				vip += fmt.Sprintf("key = %q\n", file(tt.key))
			}
			r := newRig(t, setup{servers: []string{subjects(t)}, profiles: `"owa"`, extra: unprobed("owa") + vip})
			if said := sClient(t, r.node.Addrs("real")[0].String(), "-CAfile", file("rsa.pem"), "-verify_return_error"); !strings.Contains(said, "HTTP/1.1 200 OK") {
				t.Errorf("openssl says\n%s", said)
			}
		})
	}
}

// The real openssl shows certificates: a good one is served and told of, a revoked
// one gets an alert.
func TestRealClientCertificates(t *testing.T) {
	t.Parallel()
	real(t)
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) {
			ca, key := pkitest.NewAuthority(t, "Staff"), pkitest.RSA(t)
			alice, bob := ca.Issue(t, key, time.Hour, "alice"), ca.Issue(t, key, time.Hour, "bob")
			keyFile := pkitest.Write(t, "key.pem", pkitest.KeyBlock(t, key))
			r := newRig(t, setup{
				mode: mode{engine: engine}, servers: []string{subjects(t)}, profiles: `"owa"`,
				extra: fmt.Sprintf("[vip.tls]\nclient_auth = \"require\"\nclient_ca = %q\nclient_crl = %q\nclient_header = \"X-Client-Subject\"\n",
					pkitest.Write(t, "ca.pem", pkitest.CertBlock(ca.Cert)), pkitest.Write(t, "crl.pem", ca.Revoke(t, time.Now().Add(time.Hour), bob.Leaf))) + unprobed("owa"),
			})
			for _, version := range []string{"-tls1_2", "-tls1_3"} {
				for name, tt := range map[string]struct{ cert, want string }{
					"alice": {pkitest.Write(t, "alice.pem", pkitest.CertBlock(alice.Leaf)), "[CN=alice]."},
					"bob":   {pkitest.Write(t, "bob.pem", pkitest.CertBlock(bob.Leaf)), "bad certificate"},
				} {
					if said := sClient(t, r.tls, version, "-cert", tt.cert, "-key", keyFile); !strings.Contains(said, tt.want) {
						t.Errorf("%s, %s: want %q in\n%s", name, version, tt.want, said)
					}
				}
				if said := sClient(t, r.tls, version); strings.Contains(said, "HTTP/1.1") {
					t.Errorf("%s: served without a certificate:\n%s", version, said)
				}
			}
		})
	}
}

// The program itself takes up a certificate that is replaced while it runs, within
// half a minute, and goes on with it over a broken one.
func TestRealCertificateIsTakenUp(t *testing.T) {
	t.Parallel() // it waits most of the time
	real(t)
	openssl := peer(t, "openssl")
	d := startDaemon(t, mode{vip: "tls"}, subjects(t), "")
	dir := filepath.Dir(d.conf)
	cert, key := filepath.Join(dir, "lab.pem"), filepath.Join(dir, "lab.key")
	out, err := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", key+".new", "-out", cert+".new", "-days", "30", "-subj", "/CN=renewed", "-addext", "subjectAltName=DNS:localhost").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range []string{cert, key} {
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	subject := func() string {
		t.Helper()
		for line := range strings.Lines(sClient(t, d.vip, "-tls1_3")) {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), "subject="); ok {
				return s
			}
		}
		return ""
	}
	began := time.Now()
	for !strings.Contains(d.log.String(), "new certificate for localhost") && time.Since(began) < 2*patience {
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("taken up after %v", time.Since(began).Round(time.Second))
	if got := subject(); got != "CN = renewed" {
		t.Errorf("openssl sees %q; want the new certificate\n%s", got, d.log.String())
	}
	if err := os.WriteFile(cert, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(d.log.String(), "refused, what was in force stays") && time.Since(began) < 4*patience {
		time.Sleep(100 * time.Millisecond)
	}
	if got := subject(); got != "CN = renewed" || !strings.Contains(d.log.String(), "refused, what was in force stays") {
		t.Errorf("openssl sees %q; want what was in force, and a warning\n%s", got, d.log.String())
	}
}

// found is a line of testssl.sh's CSV: id, address, port, severity, finding.
var found = regexp.MustCompile(`^"([^"]*)","[^"]*","[^"]*","([A-Z]+)","([^"]*)"`)

// worth are the severities that say something against a server.
var worth = []string{"LOW", "MEDIUM", "HIGH", "CRITICAL"}

// testssl.sh finds in each policy what it is for, and no more; it is named here, and
// explained in docs/TLS.md. What it says of the test's certificates and of the
// headers of a server behind is no finding about casbah.
func TestTestssl(t *testing.T) {
	if os.Getenv("CASBAH_TESTSSL") == "" {
		t.Skip("takes a quarter of an hour: make test-tls")
	}
	cbc := []string{"cipherlist_AVERAGE LOW", "LUCKY13 LOW", "TLS_session_ticket LOW"}
	want := map[string][]string{
		"modern":       cbc[2:],
		"intermediate": cbc,
		"legacy": append(slices.Clone(cbc),
			"TLS1 LOW", "TLS1_1 LOW", "cipherlist_3DES_IDEA MEDIUM", "SWEET32 LOW", "BEAST LOW", "BEAST_CBC_TLS1 MEDIUM"),
	}
	notCasbah := regexp.MustCompile(`^(cert_|DNS_CAA|security_headers|engine_problem|scanProblem)`)
	j := newJudged(t, "reactor")
	for policy, may := range want {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			csv := filepath.Join(t.TempDir(), "found.csv")
			_, port, _ := net.SplitHostPort(j.at[policy])
			cmd := exec.Command(peer(t, "testssl"), "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--csvfile", csv, "localhost:"+port)
			if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() >= 200 { // below, it counts findings
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := os.Open(csv)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			seen := 0
			for lines := bufio.NewScanner(f); lines.Scan(); {
				m := found.FindStringSubmatch(lines.Text())
				if m == nil {
					continue
				}
				seen++
				if finding := m[1] + " " + m[2]; slices.Contains(worth, m[2]) && !notCasbah.MatchString(m[1]) && !slices.Contains(may, finding) {
					t.Errorf("%s: %s", finding, m[3])
				}
			}
			if seen < 50 {
				t.Errorf("testssl.sh says %d things; want all of them", seen)
			}
		})
	}
}
