package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"casbah/lab"
)

// probePath is asked for by the probes of the profile pool.
const probePath = "/pool/probe"

// site is the configuration of casbah: two forms that are valid, between which
// it is reloaded.
type site struct {
	path  string // of casbah.toml
	dir   string
	admin string
	plain string
	tls   string
	extra string // the form 1 has a VIP more
	relay string // empty: there is none
	dead  string // where nobody listens: a server of form 1
	farm  *farm
	opts  *options
	roots *x509.CertPool
	now   int // the form in force
}

// newSite chooses addresses and makes certificates, one for each form.
func newSite(ctx context.Context, o *options, dir string, f *farm) (*site, error) {
	s := &site{path: filepath.Join(dir, "casbah.toml"), dir: dir, farm: f, opts: o, roots: x509.NewCertPool()}
	addresses := []*string{&s.admin, &s.plain, &s.tls, &s.extra, &s.dead}
	if o.relay {
		addresses = append(addresses, &s.relay)
	}
	for _, a := range addresses {
		ln, err := listen(ctx)
		if err != nil {
			return nil, err
		}
		*a = ln.Addr().String()
		defer ln.Close() // held so that each gets a port of its own
	}
	for form := range 2 {
		sub := filepath.Join(dir, fmt.Sprint(form))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		cert, _, err := lab.Certificate(sub)
		if err != nil {
			return nil, err
		}
		pem, err := os.ReadFile(cert) //nolint:gosec // in a directory of our own
		if err != nil {
			return nil, err
		}
		if !s.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", cert)
		}
	}
	return s, os.WriteFile(s.path, []byte(s.text(0)), 0o600)
}

// text is casbah.toml in a form.
func (s *site) text(form int) string {
	var b strings.Builder
	if s.opts.engine != "" {
		fmt.Fprintf(&b, "engine = %q\n", s.opts.engine)
	}
	if s.opts.loops != 0 {
		fmt.Fprintf(&b, "loops = %d\n", s.opts.loops)
	}
	fmt.Fprintf(&b, "state_dir = %q\n[log]\naccess = \"/dev/null\"\n[admin]\nlisten = %q\n", filepath.Join(s.dir, "state"), s.admin)
	names := []string{"s0", "s1", "s2", "s3"}
	for i, name := range names {
		fmt.Fprintf(&b, "[[server]]\nname = %q\naddress = %q\n", name, s.farm.address(i))
	}
	fmt.Fprintf(&b, "[[server]]\nname = \"dead\"\naddress = %q\n[[server]]\nname = \"echo\"\naddress = %q\n", s.dead, s.farm.address(len(names)))
	members, algorithm, chain := `"s0", "s1", "s2"`, "least_conn", `{ by = "header", name = "X-Soak-Client" }`
	if form == 1 {
		members, algorithm, chain = `"s1", "s2", "s3", "dead"`, "round_robin", `{ by = "none" }`
	}
	fmt.Fprintf(&b, "[[pool]]\nname = \"cas\"\nservers = [%s]\nalgorithm = %q\n", members, algorithm)
	fmt.Fprintf(&b, "[[pool]]\nname = \"echo\"\nservers = [\"echo\"]\n")
	fmt.Fprintf(&b, profilesText, chain, probePath)
	vip := "[[vip]]\nname = %q\ntype = %q\nlisten = [%q]\nprofiles = [\"own\", \"pool\", \"brisk\"]\npool = \"cas\"\n"
	fmt.Fprintf(&b, vip, "plain", "http", s.plain)
	fmt.Fprintf(&b, vip, "tls", "https", s.tls)
	sub := filepath.Join(s.dir, fmt.Sprint(form))
	fmt.Fprintf(&b, "[[vip.certificate]]\ncert = %q\nkey = %q\n", sub+"/lab.pem", sub+"/lab.key")
	if form == 1 {
		fmt.Fprintf(&b, vip, "extra", "http", s.extra)
	}
	if s.relay != "" {
		fmt.Fprintf(&b, "[[vip]]\nname = \"relay\"\ntype = \"tcp\"\nlisten = [%q]\nprofiles = [\"rpc_client_access\"]\npool = \"echo\"\n", s.relay)
		b.WriteString("[profile.rpc_client_access.probe]\nkind = \"tcp\"\n")
	}
	return b.String()
}

// profilesText are three protocols: own keeps its server connections to itself,
// pool shares them, brisk has no patience with servers. None has patience with
// less than a slow machine needs.
const profilesText = `
[profile.own]
protocol = "http"
header_timeout = "30s"
paths = ["/own"]
chain = [%s]
[profile.own.probe]
kind = "none"
[profile.pool]
protocol = "http"
paths = ["/pool"]
header_timeout = "30s"
reuse = "anonymous"
[profile.pool.probe]
path = %q
interval = "15s"
timeout = "14s"
[profile.brisk]
protocol = "http"
paths = ["/brisk"]
header_timeout = "30s"
response_timeout = "1s"
[profile.brisk.probe]
kind = "none"
`

// broken returns a configuration with a mistake.
func (s *site) broken(rng *rand.Rand) string {
	good := s.text(rng.IntN(2))
	switch rng.IntN(5) {
	case 0:
		return good[:rng.IntN(len(good)/2)] + "\n[[[\n" // cut off
	case 1:
		return strings.Replace(good, `pool = "cas"`, `pool = "nowhere"`, 1)
	case 2:
		return strings.Replace(good, "lab.pem", "gone.pem", 1)
	case 3:
		return strings.Replace(good, `kind = "none"`, `kind = "nobody"`, 1)
	default:
		return strings.Replace(good, "algorithm = ", "algorism = ", 1)
	}
}

// apply puts a form in force.
func (s *site) apply(ctx context.Context, d *daemon, form int) error {
	s.now = -1 // until it is known
	before, after, err := s.swap(ctx, d, s.text(form), func(before, now *status) bool { return now.Loaded.After(before.Loaded) })
	switch {
	case err != nil:
		return fmt.Errorf("reload: form %d is not in force: %w; before %+v, after %+v", form, err, before, after)
	case after.ReloadError != "":
		return fmt.Errorf("reload: form %d is refused: %s", form, after.ReloadError)
	}
	s.now = form
	return nil
}

// refuse has casbah reload a configuration with a mistake. The one in force must
// stay, and the last reload must have been a good one.
func (s *site) refuse(ctx context.Context, d *daemon, text string) error {
	before, after, err := s.swap(ctx, d, text, func(_, now *status) bool { return now.ReloadError != "" })
	switch {
	case err != nil:
		return fmt.Errorf("reload: a broken configuration is not refused: %w; before %+v, after %+v\n%s", err, before, after, text)
	case !after.Loaded.Equal(before.Loaded):
		return fmt.Errorf("reload: a broken configuration has been put in force\n%s", text)
	}
	return nil
}

// swap has casbah reload text and waits until its status says so.
func (s *site) swap(ctx context.Context, d *daemon, text string, done func(before, now *status) bool) (before, after *status, err error) {
	if before, err = d.status(ctx); err != nil {
		return nil, nil, err
	}
	if err = replace(s.path, text); err != nil {
		return before, nil, err
	}
	if err = d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return before, nil, err
	}
	after, err = d.until(ctx, func(now *status) bool { return done(before, now) })
	return before, after, err
}

// replace writes a file so that nobody reads half of it.
func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// clientTLS returns what clients of the https VIP begin with.
func (s *site) clientTLS(version uint16, sessions tls.ClientSessionCache) *tls.Config {
	return &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12, MaxVersion: version, ClientSessionCache: sessions}
}

// patience is how long casbah gets for what it must do. It is more than the 30
// seconds that it gives a client which has closed its half.
const patience = 90 * time.Second
