package node

import (
	"fmt"
	"strings"
	"time"

	"casbah/tlsterm"
)

// judgeCertificates warns of the certificates of snap that clients will not
// accept. The VIP serves with them all the same.
func (n *Node) judgeCertificates(snap *snapshot) {
	now := time.Now()
	for _, v := range snap.vips {
		for i, pair := range v.pairs {
			if err := tlsterm.Valid(pair, now); err != nil {
				n.warn("certificate", fmt.Sprintf("vip %s: %s: %s", v.conf.Name, v.conf.Certificates[i].Cert, strings.TrimPrefix(err.Error(), "certificate ")))
			}
		}
	}
}
