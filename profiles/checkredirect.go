package profiles

import "slices"

// httpsRedirect notes a profile whose clients an http VIP sends to https, where
// no VIP of the file awaits them. Something else may, in front of casbah.
func (k *checker) httpsRedirect(p place, v *VIP, pr *Profile) {
	if v.Type == "http" && pr.HTTPSRedirect && HTTPSPort(k.c, pr) == 0 {
		k.note(p, "profile %s: https_redirect sends clients to port 443, and no https VIP serves the profile", pr.Name)
	}
}

// HTTPSPort returns the port at which clients of a profile find it by https: 443
// if an https VIP listens there, else the first that one listens on; 0 if there
// is none.
func HTTPSPort(c *Config, pr *Profile) (port uint16) {
	for i := range c.VIPs {
		v := &c.VIPs[i]
		if v.Type != "https" && v.Type != bridge || !slices.Contains(v.Served(), pr.Name) {
			continue
		}
		for _, at := range v.Listen {
			if at.Port() == 443 {
				return 443
			}
			if port == 0 {
				port = at.Port()
			}
		}
	}
	return port
}
