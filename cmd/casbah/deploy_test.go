package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"casbah/profiles"
)

const deployed = "../../deploy"

// The examples are taken as they are, without a note, where their files stand
// beside them.
func TestExamplesAreAccepted(t *testing.T) {
	paths, err := filepath.Glob(deployed + "/examples/*.toml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("examples: %v, %v; want three", paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			writeCertificate(t, dir, regexp.MustCompile(`[a-z]+\.example\.org`).FindAllString(string(text), -1))
			copied := filepath.Join(dir, "casbah.toml")
			if err := os.WriteFile(copied, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, notes, err := profiles.Load(copied)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range notes {
				t.Errorf("%v", n)
			}
		})
	}
}

// writeCertificate writes the files that the examples name.
func writeCertificate(t *testing.T, dir string, names []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"mail.pem": {Type: "CERTIFICATE", Bytes: der}, "company-ca.pem": {Type: "CERTIFICATE", Bytes: der}, "mail.key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The manual page names every command, and no other.
func TestManualNamesEveryCommand(t *testing.T) {
	text, err := os.ReadFile(deployed + "/casbah.8")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), ".SH COMMANDS\n")
	list, _, _ = strings.Cut(list, ".SH SIGNALS\n")
	told := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\.B (\w+)`).FindAllStringSubmatch(list, -1) {
		told[m[1]] = true
	}
	for _, c := range commands() {
		if !told[c.name] {
			t.Errorf("deploy/casbah.8 does not name %s", c.name)
		}
		delete(told, c.name)
	}
	for name := range told {
		t.Errorf("deploy/casbah.8 names %s, which is no command", name)
	}
}

// The unit shuts casbah in: systemd counts what is left open, 2.0 at most.
func TestUnitIsSandboxed(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("wants systemd-analyze")
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=20", deployed+"/casbah.service").CombinedOutput()
	m := regexp.MustCompile(`Overall exposure level for casbah\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Skipf("this systemd cannot say: %v\n%s", err, out)
	}
	if exposure, perr := strconv.ParseFloat(string(m[1]), 64); err != nil || perr != nil || exposure > 2.0 {
		t.Errorf("exposure %s, %v; want 2.0 at most\n%s", m[1], err, out)
	}
}

// What the unit, the package and the commands say of paths agrees.
func TestUnitAndCommandsAgree(t *testing.T) {
	unit, err := os.ReadFile(deployed + "/casbah.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"RuntimeDirectory=casbah\n", "StateDirectory=casbah\n", "-admin unix:" + socketPlaces[0] + "\n", "Type=notify\n", "WatchdogSec=",
		"AmbientCapabilities=CAP_NET_BIND_SERVICE\n", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", "NoNewPrivileges=yes\n", "ProtectSystem=strict\n",
	} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit lacks %q", want)
		}
	}
	if got, want := profiles.Default().StateDir, filepath.Dir(socketPlaces[1]); got != want {
		t.Errorf("the state directory is %s; commands look in %s", got, want)
	}
}
