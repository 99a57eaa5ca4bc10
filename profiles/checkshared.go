package profiles

import "net/netip"

const (
	mostShared   = 10_000 // clients behind one address can be counted, and no more for sure
	mostNetworks = 256    // of a list: a request is compared with each
)

// sharing checks what a profile says of addresses that many clients share.
func (k *checker) sharing(p place, pr *Profile) {
	if n := pr.SharedAfter; n != 0 && (n < 2 || n > mostShared) {
		k.mistake(p.key("shared_after"), "0 (off), or 2 to 10000 clients", n)
	}
	k.networks(p.key("shared_networks"), pr.SharedNetworks)
	k.networks(p.key("single_networks"), pr.SingleNetworks)
	for i, n := range pr.SingleNetworks {
		for _, m := range pr.SharedNetworks {
			if n == m {
				k.mistake(p.key("single_networks").value(i), "a network that shared_networks does not name too", n.String())
			}
		}
	}
}

func (k *checker) networks(p place, all []netip.Prefix) {
	if len(all) > mostNetworks {
		k.mistake(p, "at most 256 networks", len(all))
		return
	}
	for i, n := range all {
		k.once(p.value(i), i, n.String(), textsOf(all), p.value)
	}
}

func textsOf(all []netip.Prefix) []string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = n.String()
	}
	return texts
}
