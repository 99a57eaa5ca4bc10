package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of probes that speak a mail protocol.
const (
	probeIMAP = "imap"
	probePOP3 = "pop3"
	probeSMTP = "smtp"
)

// The kinds of probes that speak RPC.
const (
	probeEPM = "epm"
	probeRPC = "rpc"
)

// accountKinds are the probes that can log in.
var accountKinds = []string{probeIMAP, probePOP3}

// probesFor returns the kinds that a profile of a protocol can have, in the order
// in which documents list them; those of this version only.
func probesFor(protocol string) []string {
	var all []string
	for _, kind := range probeKinds.now {
		connected := kind == probeIMAP || kind == probePOP3 || kind == probeSMTP || kind == probeEPM || kind == probeRPC
		if connected && protocol != "tcp" || kind == "http" && protocol != "http" {
			continue
		}
		all = append(all, kind)
	}
	return all
}

// The longest name and password that a probe logs in with, in octets: a POP3
// command takes 255 (RFC 2449, Section 4).
const mostCredential = 240

// account checks what a probe logs in with, and reads the password.
func (k *checker) account(p place, pb *Probe) {
	user, file := p.key("user"), p.key("password_file")
	if !slices.Contains(accountKinds, pb.Kind) {
		k.leftOut(user, "the probe is of kind "+pb.Kind, "user")
		k.leftOut(file, "the probe is of kind "+pb.Kind, "password_file")
		return
	}
	pb.Password = k.login(p, pb.User, pb.PasswordFile)
}

// login checks the account of the probe p, and returns its password.
func (k *checker) login(p place, name, path string) Secret {
	user, file := p.key("user"), p.key("password_file")
	if k.written(user) && !credential(name) {
		k.mistake(user, "an account of 1 to 240 printable characters, such as \"probe@example.org\"", name)
	}
	switch {
	case k.written(user) && !k.written(file):
		k.mistake(file, "the file with the password of the user beside it", nothing)
	case k.written(file) && !k.written(user):
		k.mistake(user, "the user whose password is in password_file", nothing)
	case k.written(file):
		return k.passwordFile(file, path)
	}
	return ""
}

// pace checks how often the probe p is asked, at most once in least, and how long
// it waits.
func (k *checker) pace(p place, interval, timeout, least time.Duration) {
	if k.lasts(p.key("interval"), interval, least, time.Hour) && (timeout <= 0 || timeout >= interval) {
		at := p.key("timeout")
		if !k.written(at) {
			at = p.key("interval")
		}
		k.mistake(at, fmt.Sprintf("a timeout above 0s and below the interval (%s)", brief(interval)), timeout)
	}
}

// probePath checks the target of a probe's request.
func (k *checker) probePath(p place, path, such string) {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f }
	want := "a path such as " + strconv.Quote(such)
	switch {
	case path == "" && !k.written(p):
		k.mistake(p, want, nothing)
	case !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, odd):
		k.mistake(p, want, path)
	}
}

// passwordFile reads a password: the first and only line of a file. Whoever sets
// the password of an account decides on its length, not casbah.
func (k *checker) passwordFile(p place, path string) Secret {
	data, ok := k.file(p, path)
	if !ok {
		return ""
	}
	text := strings.TrimRight(string(data), "\r\n")
	if !credential(text) {
		k.mistake(p, "a file with a password of 1 to 240 printable characters on one line", words(path+", which holds something else"))
		return ""
	}
	k.private(p, path)
	return Secret(text)
}

// credential reports whether a name or password can be sent in one line of a
// mail protocol: what ends the line would begin a command of its own.
func credential(s string) bool {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	return s != "" && len(s) <= mostCredential && !strings.ContainsFunc(s, control)
}

// tlsPorts are the ports on which the servers of mail begin with TLS (RFC 8314,
// Section 3): a probe does so too, if nothing else gives it TLS.
var tlsPorts = []int{465, 993, 995}

// TLSPort reports whether mail servers begin with TLS on port n.
func TLSPort(n int) bool { return slices.Contains(tlsPorts, n) }

// accountSafe notes where the password of a probe is seen by others, given the
// port of the servers that name none.
func (k *checker) accountSafe(pool *Pool, pr *Profile, port int) {
	at := profilePlace(pr.Name).key("probe").key("user")
	if pr.Probe.User == "" || !k.written(at) || pool.UpstreamTLS != "off" {
		return
	}
	if k.reachesAny(pool, port, func(n int) bool { return !TLSPort(n) }) {
		k.note(at, "pool %q: the password is sent in clear, where Exchange refuses a login (SecureLogin)", pool.Name)
	}
	if k.reachesAny(pool, port, TLSPort) {
		k.note(at, "pool %q: the password is sent to servers whose certificates are not checked", pool.Name)
	}
}
