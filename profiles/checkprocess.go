package profiles

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// The limits of [limits]. Connections are bounded by what the tables of open
// files of common systems can hold; bindings by requirement.
const (
	mostConnections = 10_000_000
	leastHead       = 4 << 10  // octets; a request of Outlook with a Kerberos ticket is larger
	mostHead        = 96 << 10 // drivers keep up to 128 KiB that a core leaves unread
	leastBindings   = 16
	mostBindings    = 1_000_000
)

// mostSocket is the longest path that a Unix socket may have on Linux, in octets.
const mostSocket = 107

// mostOldSecrets is how many old passphrases there may be.
const mostOldSecrets = 4

// leastSecret is how short a token or passphrase may be, in octets.
const leastSecret = 16

func (k *checker) process() {
	c, top := &k.c.Process, place{}
	if c.StateDir == "" {
		k.mistake(top.key("state_dir"), "a directory", c.StateDir)
	}
	k.choose(top.key("engine"), engines, c.Engine)
	if c.Engine == "reactor" && runtime.GOOS != "linux" {
		k.mistake(top.key("engine"), `"net", because "reactor" needs Linux`, c.Engine)
	}
	k.between(top.key("loops"), c.Loops, 0, 1024)
	k.lastsOrOff(top.key("drain_timeout"), c.DrainTimeout, time.Millisecond, 24*time.Hour)
	k.choose(top.key("log").key("level"), logLevels, c.Log.Level)
	if c.Log.Access == "" {
		k.mistake(top.key("log").key("access"), "off, stderr, stdout or the path of a file", c.Log.Access)
	}
	k.limits(top.key("limits"), &c.Limits)
	k.admin(top.key("admin"), &c.Admin)
	k.tickets(top.key("tickets"), &c.Tickets)
}

func (k *checker) limits(p place, l *Limits) {
	if k.between(p.key("connections"), l.Connections, 1, mostConnections) {
		k.between(p.key("per_source"), l.PerSource, 0, l.Connections)
	}
	k.between(p.key("head_bytes"), l.HeadBytes, leastHead, mostHead)
	k.between(p.key("bindings"), l.Bindings, leastBindings, mostBindings)
}

func (k *checker) admin(p place, a *Admin) {
	listen := p.key("listen")
	loopback, ok := adminAddress(a.Listen)
	if !ok {
		k.mistake(listen, `an address and port such as "127.0.0.1:8404"`, a.Listen)
	}
	if len(a.Socket) > mostSocket {
		k.mistake(p.key("socket"), fmt.Sprintf("off, or a path of at most %d octets", mostSocket), a.Socket)
	}
	if a.TokenFile != "" {
		a.Token = k.secretFile(p.key("token_file"), a.TokenFile)
		return
	}
	if ok && !loopback {
		k.mistake(listen, "a loopback address, or a token_file beside it", a.Listen)
	}
}

// adminAddress reads an address and port, and tells whether only this machine
// reaches it.
func adminAddress(s string) (loopback, ok bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false, false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return false, false
	}
	if host == "localhost" {
		return true, true
	}
	a, err := netip.ParseAddr(host)
	return a.IsLoopback(), err == nil
}

func (k *checker) passphrase() {
	literal, file := place{}.key("cookie_passphrase"), place{}.key("cookie_passphrase_file")
	switch c := &k.c.Site; {
	case k.written(literal) && k.written(file):
		k.mistake(literal, "this key left out, since there is cookie_passphrase_file", c.CookiePassphrase)
	case c.CookiePassphraseFile != "":
		c.CookiePassphrase = k.secretFile(file, c.CookiePassphraseFile)
	case k.written(literal) && len(c.CookiePassphrase) < leastSecret:
		k.mistake(literal, "at least "+strconv.Itoa(leastSecret)+" characters", c.CookiePassphrase)
	case k.written(literal):
		k.note(literal, "everybody who may read this file may make cookies: use cookie_passphrase_file")
	}
	k.oldPassphrases(place{}.key("cookie_passphrase_old_files"))
	k.cookieVersion(place{}.key("cookie_version"), k.c.CookieVersion)
}

// oldPassphrases reads those that are not used any more but to open what was
// sealed before.
func (k *checker) oldPassphrases(p place) {
	c := &k.c.Site
	if len(c.CookiePassphraseOldFiles) > mostOldSecrets {
		k.mistake(p, fmt.Sprintf("at most %d files: every cookie that casbah did not make is tried with each of them", mostOldSecrets),
			len(c.CookiePassphraseOldFiles))
		return
	}
	for i, file := range c.CookiePassphraseOldFiles {
		secret := k.secretFile(p.value(i), file)
		if secret != "" && (secret == c.CookiePassphrase || slices.Contains(c.CookiePassphrasesOld, secret)) {
			k.mistake(p.value(i), "another passphrase than the current one and the other old ones", words(file+", which has the same"))
		}
		c.CookiePassphrasesOld = append(c.CookiePassphrasesOld, secret)
	}
}
