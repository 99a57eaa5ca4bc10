package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The real users of a domain, with their passwords.
var domainUsers = []string{"alice:Secret1", "bob:Secret2", "carol:Secret3", "dave:Secret4"}

// negotiator makes the real curl log on by SPNEGO, with NTLM in it, through the
// system's GSSAPI and its NTLM mechanism.
type negotiator struct {
	krb5 string // file
	dir  string
}

func newNegotiator(t *testing.T) *negotiator {
	t.Helper()
	if _, err := os.Stat("/etc/gss/mech.d/mech.ntlmssp.conf"); err != nil {
		t.Fatalf("%v: sh e2e/peers.sh installs gss-ntlmssp", err)
	}
	n := &negotiator{dir: t.TempDir()}
	n.krb5 = filepath.Join(n.dir, "krb5.conf")
	// No Kerberos here, and no name is looked up.
	if err := os.WriteFile(n.krb5, []byte("[libdefaults]\ndefault_realm = LAB.TEST\nrdns = false\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"LAB", "CORP"} {
		for _, user := range domainUsers {
			if err := os.WriteFile(n.words(domain, user), []byte(domain+":"+user+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// words is the file with the password of a user.
func (n *negotiator) words(domain, user string) string {
	name, _, _ := strings.Cut(user, ":")
	return filepath.Join(n.dir, domain+"."+name)
}

// curl asks for the page three times over one connection as a user, and returns what
// it printed.
func (n *negotiator) curl(t *testing.T, domain, user, page string, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"--silent", "--show-error", "--insecure", "--max-time", "60", "--include", "--negotiate", "--user", ":"}, more...)
	cmd := exec.CommandContext(t.Context(), "curl", append(args, page, page, page)...)
	cmd.Env = append(os.Environ(), "NTLM_USER_FILE="+n.words(domain, user), "KRB5_CONFIG="+n.krb5, "KRB5CCNAME=FILE:"+filepath.Join(n.dir, "none"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("curl --negotiate: %w\n%s", err, out)
	}
	return string(out), nil
}

// The real curl logs on by Negotiate: several users at once, each request is its own
// user's, and one handshake serves a connection.
func TestRealCurlNegotiates(t *testing.T) {
	t.Parallel()
	real(t)
	peer(t, "curl")
	n := newNegotiator(t)
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, profiles: `"ews"`, extra: unprobed("ews")})
		base := "http://" + r.plain
		if m.vip == "tls" {
			base = "https://" + r.tls
		}
		var work sync.WaitGroup
		for i := range 12 {
			user := domainUsers[i%len(domainUsers)]
			work.Go(func() {
				name, _, _ := strings.Cut(user, ":")
				out, err := n.curl(t, "LAB", user, base+"/EWS/Exchange.asmx", "--http1.1")
				if err != nil {
					t.Error(err)
					return
				}
				if got := all(labUser, out); strings.Join(got, " ") != strings.Join([]string{name, name, name}, " ") {
					t.Errorf("%s was served as %q:\n%s", name, got, out)
				}
				if got := all(statuses, out); strings.Count(strings.Join(got, " "), "401") > 2 {
					t.Errorf("%s was asked more often than once: %v", name, got)
				}
			})
		}
		work.Wait()
		if leaks, ids := r.array.Leaks(), r.vipStatus(m.vip).Identities; leaks != 0 || ids.Faults != 0 {
			t.Errorf("%d foreign names, %d faults; want none", leaks, ids.Faults)
		}
	})
}

// What a server that is not ours says on each answer.
var (
	backendUser = regexp.MustCompile(`(?m)^X-Auth-User: (\S+)`)
	backendConn = regexp.MustCompile(`(?m)^X-Conn-Id: (\S+)`)
)

// A server of NTLM that is not ours, which checks every message, and clients that are
// not ours either: curl with --ntlm and --negotiate, and requests-ntlm. The server is
// the program that CASBAH_NTLM_BACKEND names; it takes --backend NAME=ADDRESS and
// --user NAME:PASSWORD, and answers with X-Auth-User, X-Conn-Id, and X-Leak where a
// request is another user's.
func TestClientsAgainstAnotherServer(t *testing.T) {
	program := os.Getenv("CASBAH_NTLM_BACKEND")
	if program == "" {
		t.Skip("CASBAH_NTLM_BACKEND names no server of NTLM")
	}
	n := newNegotiator(t)
	modes(t, func(t *testing.T, m mode) {
		at := freeAddresses(t, 2)
		startBackends(t, program, at)
		r := newRig(t, setup{
			mode: m, servers: at, profiles: `"ews"`, extra: unprobed("ews"), pool: `algorithm = "round_robin"`,
		})
		base := "http://" + r.plain
		if m.vip == "tls" {
			base = "https://" + r.tls
		}
		page := base + "/EWS/Exchange.asmx"
		ways := map[string]func(user string) (string, error){
			"negotiate": func(user string) (string, error) { return n.curl(t, "CORP", user, page, "--http1.1") },
			"ntlm":      func(user string) (string, error) { return curlNTLM(t, user, page) },
			"requests":  func(user string) (string, error) { return requestsNTLM(t, user, page) },
		}
		var work sync.WaitGroup
		for way, ask := range ways {
			for _, user := range domainUsers {
				work.Go(func() {
					name, _, _ := strings.Cut(user, ":")
					out, err := ask(user)
					if err != nil {
						t.Errorf("%s of %s: %v", way, name, err)
						return
					}
					served(t, way, name, out)
				})
			}
		}
		work.Wait()
		if ids := r.vipStatus(m.vip).Identities; ids.Faults != 0 {
			t.Errorf("%d faults; want none", ids.Faults)
		}
	})
}

// served fails the test unless out shows three answers for a user over one connection
// of a server, and no other user's.
func served(t *testing.T, way, name, out string) {
	t.Helper()
	as := 0
	for _, got := range all(backendUser, out) {
		switch _, user, ok := strings.Cut(got, `\`); {
		case got == "-":
		case strings.EqualFold(got, name), ok && strings.EqualFold(user, name):
			as++
		default:
			t.Errorf("%s: %s was served as %s", way, name, got)
		}
	}
	if as != 3 || strings.Contains(out, "X-Leak") {
		t.Errorf("%s: %s was served %d times; want 3, and no leak:\n%s", way, name, as, out)
	}
	conns := all(backendConn, out)
	for _, conn := range conns {
		if conn != conns[0] {
			t.Errorf("%s: %s was on the connections %v; want one", way, name, conns)
			return
		}
	}
}

func curlNTLM(t *testing.T, user, page string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--insecure", "--http1.1", "--max-time", "60",
		"--include", "--ntlm", "--user", `CORP\`+user, page, page, page).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("curl --ntlm: %w\n%s", err, out)
	}
	return string(out), nil
}

func requestsNTLM(t *testing.T, user, page string) (string, error) {
	t.Helper()
	const script = `import sys, warnings
warnings.simplefilter("ignore")
import requests, requests_ntlm
user, password = sys.argv[2].split(":", 1)
s = requests.Session()
s.auth = requests_ntlm.HttpNtlmAuth("CORP\\" + user, password, send_cbt=False)
for i in range(3):
    r = s.get(sys.argv[1], verify=False)
    print("HTTP/1.1 %d\n%s\n" % (r.status_code, "\n".join(k + ": " + v for k, v in r.headers.items())))
`
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	if err := os.WriteFile(conf, []byte(legacyOpenSSL), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script, page, user)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+conf)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("requests-ntlm: %w\n%s", err, out)
	}
	return string(out), nil
}

// legacyOpenSSL lets programs have MD4, which NTLM is made of and OpenSSL 3 hides.
const legacyOpenSSL = `openssl_conf = init
[init]
providers = all
[all]
default = on
legacy = on
[on]
activate = 1
`

// startBackends runs the server of NTLM at these addresses until the test ends.
func startBackends(t *testing.T, program string, at []string) {
	t.Helper()
	args := []string{program}
	for i, addr := range at {
		args = append(args, "--backend", fmt.Sprintf("B%d=%s", i+1, addr))
	}
	for _, user := range domainUsers {
		args = append(args, "--user", user)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", args...)
	var log locked
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for _, addr := range at {
		untilDialled(t, addr)
	}
}

// untilDialled waits for a program to listen.
func untilDialled(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens at %s within a minute: %v", addr, err)
		}
	}
}
