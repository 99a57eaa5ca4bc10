package profiles

import "fmt"

// What a VIP does about requests that look like attacks on Exchange.
const (
	shieldOff     = "off"
	shieldReport  = "report"
	shieldEnforce = "enforce"
)

// mostAdminNetworks is how many networks of administrators a VIP may name.
const mostAdminNetworks = 64

// shield checks it. A VIP that reads no requests has none.
func (k *checker) shield(p place, v *VIP) {
	if v.Type != "http" && v.Type != "https" {
		for _, key := range []string{"shield", "admin_networks"} {
			k.leftOut(p.key(key), "the VIP is of type "+v.Type, key)
		}
		return
	}
	k.choose(p.key("shield"), shields, v.Shield)
	switch n := len(v.AdminNetworks); {
	case n > mostAdminNetworks:
		k.mistake(p.key("admin_networks"), fmt.Sprintf("at most %d networks", mostAdminNetworks), n)
	case n > 0 && v.Shield == shieldOff:
		k.note(p.key("admin_networks"), "has no effect: the VIP has shield = %q", shieldOff)
	}
}
