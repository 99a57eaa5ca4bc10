package profiles

import (
	"cmp"
	"slices"
	"time"
)

// DeepProbe is the question that is asked of a service with a login. A service
// that does not answer it rightly is down, although it answers Probe.
type DeepProbe struct {
	// Kind is eas, ews, rpc_echo, autodiscover or owa, imap or pop3; empty: that of the
	// profile's name.
	Kind string `toml:"kind"`
	// Path is that of the request; empty: the usual one of the kind.
	Path string `toml:"path"`
	// Auth is how the probe logs in by HTTP: basic or ntlm, form for owa; empty: as
	// the directory of the kind is set up.
	Auth string `toml:"auth"`
	// User is the account, and Password its password, read from PasswordFile.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
	Password     Secret `toml:"-"`
	// Interval is the time from the start of one probe to the next.
	Interval time.Duration `toml:"interval"`
	// Timeout bounds one probe; less than Interval.
	Timeout time.Duration `toml:"timeout"`
	// Rise and Fall are how many good or bad answers in a row change the state.
	Rise int `toml:"rise"`
	Fall int `toml:"fall"`
}

// Asked reports whether there is a deep probe.
func (d *DeepProbe) Asked() bool { return d.User != "" }

// deepKinds are the kinds of deep probes by the names of profiles.
var deepKinds = map[string]string{
	"eas": "eas", "ews": "ews", "outlook_anywhere": "rpc_echo", "autodiscover": "autodiscover", "owa": "owa", "imap4": probeIMAP, "pop3": probePOP3,
}

// deepFor returns the kinds that a profile of a protocol can have.
func deepFor(protocol string) []string {
	switch protocol {
	case "http":
		return []string{"eas", "ews", "rpc_echo", "autodiscover", "owa"}
	case "tcp":
		return []string{probeIMAP, probePOP3}
	default:
		return nil
	}
}

// complete derives the defaults that depend on the profile: Exchange sets up
// ActiveSync with Basic, OWA with its form, and the others of HTTP with Windows
// authentication.
func (d *DeepProbe) complete(pr *Profile) {
	if !d.Asked() {
		return
	}
	if d.Kind == "" {
		d.Kind = deepKinds[pr.Name]
	}
	if d.Auth == "" && pr.Protocol == "http" {
		d.Auth = cmp.Or(map[string]string{"eas": "basic", "owa": "form"}[d.Kind], "ntlm")
	}
}

// deepProbe checks the deep probe of a profile.
func (k *checker) deepProbe(p place, pr *Profile) {
	if !k.written(p) {
		return
	}
	d := &pr.DeepProbe
	kind, fit := p.key("kind"), deepFor(pr.Protocol)
	switch {
	case len(fit) == 0:
		k.mistake(p, "this table left out (the profile is of protocol "+pr.Protocol+")", nothing)
		return
	case !k.written(p.key("user")):
		k.mistake(p.key("user"), "the account that the probe logs in with", nothing)
		return
	case d.Kind == "" || !slices.Contains(fit, d.Kind):
		got := any(d.Kind)
		if d.Kind == "" {
			got = nothing
		}
		k.mistake(kind, oneOf(fit)+", as the profile is of protocol "+pr.Protocol, got)
		return
	}
	if pr.Protocol == "http" {
		k.deepRequest(p, d)
	} else {
		k.leftOut(p.key("path"), "the probe is of kind "+d.Kind, "path")
		k.leftOut(p.key("auth"), "the probe is of kind "+d.Kind, "auth")
	}
	k.leftOut(profilePlace(pr.Name).key("probe").key("user"), "the profile's deep_probe has one", "user")
	d.Password = k.login(p, d.User, d.PasswordFile)
	k.pace(p, d.Interval, d.Timeout, time.Second)
	k.between(p.key("rise"), d.Rise, 1, 100)
	k.between(p.key("fall"), d.Fall, 1, 100)
}

func (k *checker) deepRequest(p place, d *DeepProbe) {
	if k.written(p.key("path")) {
		k.probePath(p.key("path"), d.Path, "/EWS/Exchange.asmx")
	}
	switch {
	case d.Kind == "owa" && d.Auth != "form":
		k.mistake(p.key("auth"), "form, as the probe is of kind owa", d.Auth)
	case d.Kind != "owa" && d.Auth != "basic" && d.Auth != "ntlm":
		k.mistake(p.key("auth"), "basic or ntlm", d.Auth)
	}
}

// deepSafe notes where the password of a deep probe passes in clear, and where it
// cannot log in.
func (k *checker) deepSafe(pr *Profile, pool *Pool) {
	table := profilePlace(pr.Name).key("deep_probe")
	at := table.key("user")
	if pool == nil || !k.written(at) {
		return
	}
	if pool.UpstreamTLS == "off" && pr.DeepProbe.Auth != "ntlm" && pr.Protocol == "http" {
		k.note(at, "pool %q: the password is sent in clear, for whoever stands between casbah and the servers to read", pool.Name)
	}
	if pr.ExtendedProtection == "require" && pr.DeepProbe.Auth == "ntlm" {
		k.note(table.key("auth"), "Extended Protection refuses a login by NTLM that is not tied to its TLS, as the probe's: where the directory has Basic, use \"basic\"")
	}
}
