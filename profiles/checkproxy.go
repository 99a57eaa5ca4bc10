package profiles

import "fmt"

// proxyHeader checks a profile against a pool whose connections name their clients.
func (k *checker) proxyHeader(pr *Profile, pool *Pool) {
	if pool == nil || pool.ProxyProtocol == "off" || !proxyProtocols.has(pool.ProxyProtocol) {
		return
	}
	if pr.Reuse == "anonymous" {
		k.mistake(profilePlace(pr.Name).key("reuse"),
			fmt.Sprintf(`"never", as each connection of pool %q names its client (proxy_protocol)`, pool.Name), pr.Reuse)
	}
}
