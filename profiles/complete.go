package profiles

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// defaultProbes are the kinds of probes of profiles that say nothing of it: what
// can be asked without knowing their protocol.
var defaultProbes = map[string]string{"tcp": "tcp", "udp": "none"}

// complete derives the defaults that depend on other keys, the kind of the probe
// unless the file names it. It brings values into the one form that the rest of
// casbah compares.
func (p *Profile) complete(kindSet bool) {
	if p.ResponseTimeout == 0 {
		p.ResponseTimeout = p.IdleTimeout
	}
	if !kindSet && reflect.DeepEqual(p.Probe, fresh(probeType).Interface()) {
		p.Probe.Kind = cmp.Or(defaultProbes[p.Protocol], p.Probe.Kind)
	}
	p.DeepProbe.complete(p)
	for i, path := range p.Paths {
		p.Paths[i] = normalPath(path)
	}
	for i := range p.Chain {
		if s := &p.Chain[i]; s.By == byCookie && s.Origin == "" {
			s.Origin = "server"
		}
	}
}

// normalPath is the form that routing compares with: in lower case, without a
// trailing slash but for "/" alone.
func normalPath(path string) string {
	path = strings.ToLower(path)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// complete derives the VIP's defaults from the profiles that it serves; rootSet
// says that the file names a root redirect.
func (v *VIP) complete(ps map[string]*Profile, rootSet bool) {
	for i, h := range v.Hosts {
		v.Hosts[i] = strings.ToLower(h)
	}
	for _, r := range v.Routes {
		for i, h := range r.Hosts {
			r.Hosts[i] = strings.ToLower(h)
		}
	}
	for i := range v.Certificates {
		v.Certificates[i].complete(v.Hosts)
	}
	if rootSet {
		return
	}
	for _, name := range v.Profiles {
		if p := ps[name]; p != nil && slices.Contains(p.Paths, "/owa") {
			v.RootRedirect = "/owa/"
		}
	}
}

// inherit gives the steps that insert a cookie what the file says of all of them,
// where they say nothing themselves.
func (c *Config) inherit(r *report) {
	for name, pr := range c.Profiles {
		for i := range pr.Chain {
			s, p := &pr.Chain[i], profilePlace(name).key("chain").item(i, "")
			if s.By != byInsertCookie {
				continue
			}
			if !r.written(p.key("version")) {
				s.CookieVersion = c.CookieVersion
			}
			if !r.written(p.key("http_only")) {
				s.HTTPOnly = c.CookieHTTPOnly
			}
		}
	}
}

// anchor makes the relative paths of files start at dir.
func (c *Config) anchor(dir string) {
	files := []*string{&c.StateDir, &c.Admin.TokenFile, &c.Tickets.KeyFile, &c.CookiePassphraseFile, &c.ACME.CA, &c.ACME.EABKeyFile}
	for i := range c.CookiePassphraseOldFiles {
		files = append(files, &c.CookiePassphraseOldFiles[i])
	}
	if c.Admin.Socket != "off" {
		files = append(files, &c.Admin.Socket)
	}
	if c.Log.Access != "off" && c.Log.Access != "stderr" && c.Log.Access != "stdout" {
		files = append(files, &c.Log.Access)
	}
	for i := range c.Pools {
		t := &c.Pools[i].TLS
		files = append(files, &t.CA, &t.ClientCert, &t.ClientKey, &t.ClientPassphraseFile)
	}
	for i := range c.VIPs {
		for j := range c.VIPs[i].Certificates {
			cert := &c.VIPs[i].Certificates[j]
			files = append(files, &cert.Cert, &cert.Key, &cert.PassphraseFile)
		}
		files = append(files, &c.VIPs[i].TLS.ClientCA, &c.VIPs[i].TLS.ClientCRL)
	}
	for _, pr := range c.Profiles {
		files = append(files, &pr.Probe.PasswordFile, &pr.DeepProbe.PasswordFile)
	}
	for _, f := range files {
		if *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(dir, *f)
		}
	}
}
