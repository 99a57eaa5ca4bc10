package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pebbleVersion is the one that is run: the test server of Let's Encrypt, which
// refuses good nonces and keeps names of no order, as servers may.
const pebbleVersion = "v2.10.1"

// pebbles builds Pebble and its DNS server, once.
var pebbles = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "casbah-pebble-"); err != nil {
		return "", err
	}
	pebbleDir = dir
	const at = "github.com/letsencrypt/pebble/v2/cmd/"
	cmd := exec.Command("go", "install", at+"pebble@"+pebbleVersion, at+"pebble-challtestsrv@"+pebbleVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pebble: %w\n%s", err, out)
	}
	return dir, nil
})

// pebbleDir is where they stand, which TestMain removes; empty: nowhere.
var pebbleDir string

// pebble is a running ACME server, for which every name is this machine.
type pebble struct {
	t         *testing.T
	directory string // URL
	ca        string // file of who has issued the server's own certificate
	log       locked
	manager   string // URL of its orders
}

// startPebble starts a server whose certificates last as long, and that looks for
// challenges at the ports of two addresses. Bound wants accounts bound elsewhere.
func startPebble(t *testing.T, life time.Duration, web, secure string, bound bool) *pebble {
	t.Helper()
	dir, err := pebbles()
	if err != nil {
		t.Fatal(err)
	}
	at, own := freeAddresses(t, 4), newIdentity(t, t.TempDir())
	p := &pebble{t: t, directory: "https://" + at[0] + "/dir", manager: "https://" + at[1], ca: own.cert}
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	conf := filepath.Join(t.TempDir(), "pebble.json")
	text := fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": %q, "privateKey": %q,
		"httpPort": %s, "tlsPort": %s, "externalAccountBindingRequired": %v, "externalAccountMACKeys": {"kid-1": %q},
		"keyAlgorithm": "ecdsa", "profiles": {"default": {"description": "short", "validityPeriod": %d}}}}`,
		at[0], at[1], own.cert, own.key, port(web), port(secure), bound, base64.RawURLEncoding.EncodeToString([]byte(bindingKey)), int(life.Seconds()))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(filepath.Join(dir, "pebble-challtestsrv"), "-dnsserver", at[2], "-management", at[3], "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	p.run(filepath.Join(dir, "pebble"), "-config", conf, "-dnsserver", at[2], "-strict")
	p.until("pebble serves", func() bool { return p.trusted() != nil })
	return p
}

// bindingKey is the key of accounts that are bound elsewhere.
const bindingKey = "0123456789abcdef0123456789abcdef"

func (p *pebble) run(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("log of pebble:\n%s", p.log.String())
		}
	})
}

func (p *pebble) until(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited a minute in vain until %s\n%s", what, p.log.String())
		}
	}
}

// trusted trusts what the server issues; nil: it does not answer.
func (p *pebble) trusted() *x509.CertPool {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Get(p.manager + "/roots/0")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		return nil
	}
	return roots
}

// acmeConf is what casbah serves: two certificates by ACME on the VIP mail, and an
// http VIP that is of another name and sends everybody to https.
const acmeConf = `
%s
state_dir = %q
[admin]
listen = "127.0.0.1:0"
[acme]
directory = %q
agree_terms = true
email = "postmaster@example.org"
challenge = %q
ca = %q
[[server]]
name = "cas1"
address = %q
[[pool]]
name = "cas"
servers = ["cas1"]
[[vip]]
name = "mail"
type = "https"
listen = [%q]
profiles = ["calm"]
pool = "cas"
hosts = ["mail.casbah.test"]
[[vip.certificate]]
acme = true
names = ["mail.casbah.test", "autodiscover.casbah.test"]
[[vip.certificate]]
acme = true
key_type = "rsa"
[[vip]]
name = "plain"
type = "http"
listen = [%q]
profiles = ["calm"]
pool = "cas"
hosts = ["elsewhere.casbah.test"]
[profile.calm]
protocol = "http"
paths = ["/"]
https_redirect = true
chain = [{ by = "source_ip" }]
[profile.calm.probe]
` + noProbe

// acmeDaemon is casbah in front of a server, with certificates of Pebble's.
type acmeDaemon struct {
	*daemon
	*pebble
	state string // directory
}

func newACMEDaemon(t *testing.T, m mode, life time.Duration, challenge string, bound bool) *acmeDaemon {
	t.Helper()
	at := freeAddresses(t, 2)
	p := startPebble(t, life, at[1], at[0], bound)
	dir := t.TempDir()
	d := &daemon{t: t, mode: m, conf: filepath.Join(dir, "casbah.toml"), vip: at[0], ended: make(chan struct{})}
	d.write(fmt.Sprintf(acmeConf, m.key(), dir, p.directory, challenge, p.ca, subjects(t), at[0], at[1]))
	return &acmeDaemon{daemon: d, pebble: p, state: dir}
}

// shown returns the certificate that a client of that name sees, nil where there
// is none. Old clients can use RSA alone.
func (d *acmeDaemon) shown(name string, old bool) *x509.Certificate {
	conf := &tls.Config{RootCAs: d.trusted(), ServerName: name}
	if old {
		conf.MaxVersion, conf.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	conn, err := tls.Dial("tcp", d.vip, conf)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// told is what the API says of the certificates of the VIP.
func (d *acmeDaemon) told() (all []acmeTold) {
	var s struct {
		VIPs []struct {
			Certificates []acmeTold `json:"certificates"`
		} `json:"vips"`
	}
	d.statusAs(&s)
	return s.VIPs[0].Certificates
}

// acmeTold is one of them.
type acmeTold struct {
	Level string `json:"level"`
	ACME  *struct {
		Next     time.Time `json:"next"`
		Failures int       `json:"failures"`
		Problem  string    `json:"problem"`
	} `json:"acme"`
}

// soon waits for something that takes an order or two.
func (d *acmeDaemon) soon(what string, holds func() bool) {
	d.daemon.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.daemon.t.Fatalf("waited two minutes in vain until %s\n%s", what, d.daemon.log.String())
		}
	}
}

// private fails unless nobody else reads what the state directory holds of ACME, and
// returns the key of the account.
func (d *acmeDaemon) private(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.state, "acme", "*", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v; want a key and two certificates", files, err)
	}
	key := ""
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v; want one that its owner alone reads", file, info.Mode(), err)
		}
		if filepath.Base(file) == "account.key" {
			key = contents(t, file)
		}
	}
	return key
}

// Certificates come from a real ACME server by either challenge, are renewed in time
// without a reload, and outlive a restart with the account. Connections notice
// nothing.
func TestRealACME(t *testing.T) {
	t.Parallel()
	real(t)
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			engines(t, func(t *testing.T, m mode) {
				d := newACMEDaemon(t, m, 40*time.Second, challenge, false)
				d.launch(nil)
				d.soon("a certificate of each kind is shown", func() bool {
					return d.shown("mail.casbah.test", false) != nil && d.shown("mail.casbah.test", true) != nil
				})
				first := d.shown("autodiscover.casbah.test", false)
				if first == nil || first.PublicKeyAlgorithm != x509.ECDSA || len(first.DNSNames) != 2 {
					t.Fatalf("the second name is shown %v; want an ECDSA certificate of both names", first)
				}
				if old := d.shown("mail.casbah.test", true); old.PublicKeyAlgorithm != x509.RSA || len(old.DNSNames) != 1 {
					t.Errorf("old clients are shown %v for %v; want RSA for the VIP's host", old.PublicKeyAlgorithm, old.DNSNames)
				}
				account := d.private(t)
				d.roots = d.trusted()
				live := d.named(t)
				d.soon("the certificate is renewed", func() bool {
					now := d.shown("mail.casbah.test", false)
					if now == nil {
						t.Fatal("no handshake")
					}
					return now.SerialNumber.Cmp(first.SerialNumber) != 0
				})
				if age := time.Since(first.NotBefore); age < 23*time.Second || age > 35*time.Second {
					t.Errorf("renewed at the age of %v; want shortly before two thirds of 40s", age)
				}
				live.say("GET /calm HTTP/1.1\r\nHost: mail.casbah.test\r\n\r\n")
				if resp, _ := live.response("GET"); resp.StatusCode != http.StatusOK {
					t.Errorf("the connection from before gets %d", resp.StatusCode)
				}
				second := d.shown("mail.casbah.test", false)
				d.signal(syscall.SIGTERM)
				if code := d.exits(); code != 0 {
					t.Errorf("exit code %d", code)
				}
				said := d.daemon.log.String()
				d.daemon = d.again()
				if now := d.shown("mail.casbah.test", false); now == nil || now.SerialNumber.Cmp(second.SerialNumber) < 0 && now.NotBefore.Before(second.NotBefore) {
					t.Errorf("after a restart %v is shown; want what was there", now)
				}
				if d.private(t) != account {
					t.Error("the account has another key")
				}
				for _, c := range d.told() {
					if c.ACME == nil || c.ACME.Failures != 0 || c.Level == "awaited" {
						t.Errorf("the API tells %+v", c)
					}
				}
				if said += d.daemon.log.String(); strings.Contains(said, "PRIVATE") || strings.Contains(said, strings.Split(account, "\n")[1][:20]) {
					t.Error("a key is logged")
				}
			})
		})
	}
}

// named connects to the VIP under its name.
func (d *acmeDaemon) named(t *testing.T) *wire {
	t.Helper()
	conn, err := tls.Dial("tcp", d.vip, &tls.Config{RootCAs: d.trusted(), ServerName: "mail.casbah.test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := newWire(t, conn)
	w.within(2 * time.Minute)
	return w
}

// What fails is told with the words of the server, in status, log and on the page,
// and is not tried again at once; a reload tries again. What was shown before stays.
func TestRealACMEFails(t *testing.T) {
	t.Parallel()
	real(t)
	engines(t, func(t *testing.T, m mode) {
		d := newACMEDaemon(t, m, time.Hour, "tls-alpn-01", true)
		id := newIdentity(t, t.TempDir())
		text := contents(t, d.conf)
		d.write(strings.Replace(text, "[[vip.certificate]]", id.ofVIP()+"[[vip.certificate]]", 1))
		d.launch(nil)
		problem := func(want string) {
			t.Helper()
			d.soon(want, func() bool {
				told := d.told()[1].ACME
				return strings.Contains(told.Problem, "urn:ietf:params:acme:error:") && strings.Contains(told.Problem, want) && told.Failures > 0
			})
			told := d.told()[1]
			if wait := time.Until(told.ACME.Next); wait < 30*time.Second || told.Level != "awaited" {
				t.Errorf("tried again in %v, level %s; want a pause, and a certificate that is awaited", wait, told.Level)
			}
			if !strings.Contains(d.daemon.log.String(), want) {
				t.Errorf("the log does not tell of %s", want)
			}
		}
		reload := func(old, text string) {
			d.edit(old, text)
			d.signal(syscall.SIGHUP)
		}
		problem("externalAccountRequired")
		if page := d.body(t, "/"); !strings.Contains(page, "externalAccountRequired") {
			t.Error("the page does not tell why")
		}
		key := filepath.Join(t.TempDir(), "eab.key")
		write := func(text string) {
			if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString([]byte(text))+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("another key, and a long one of it")
		reload("agree_terms = true", fmt.Sprintf("agree_terms = true\neab_key_id = \"kid-1\"\neab_key_file = %q", key))
		problem("external account binding JWS verification error")
		write(bindingKey)
		away := freeAddress(t)
		reload(fmt.Sprintf("listen = [%q]", d.vip), fmt.Sprintf("listen = [%q]", away)) // so that the server finds nobody
		problem("Failed to connect")
		if _, err := tls.Dial("tcp", away, &tls.Config{RootCAs: id.roots, ServerName: "localhost"}); err != nil {
			t.Errorf("the certificate of the files is not shown: %v", err)
		}
		reload(fmt.Sprintf("listen = [%q]", away), fmt.Sprintf("listen = [%q]", d.vip))
		d.soon("the certificates come", func() bool {
			return d.shown("mail.casbah.test", false) != nil && d.shown("mail.casbah.test", true) != nil
		})
		for _, secret := range []string{bindingKey, base64.StdEncoding.EncodeToString([]byte(bindingKey)), "PRIVATE KEY"} {
			if strings.Contains(d.daemon.log.String(), secret) {
				t.Error("a key is logged")
			}
		}
	})
}

// body returns what the page serves at a path.
func (d *acmeDaemon) body(t *testing.T, path string) string {
	t.Helper()
	resp, err := d.page.Get(d.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
