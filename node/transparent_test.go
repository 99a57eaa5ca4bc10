package node

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"casbah/internal/transparent"
	"casbah/profiles"
)

// A VIP whose connections come from clients has endpoints of its own: no other VIP
// of the pool shares them, though the services are the same.
func TestTransparentEndpoints(t *testing.T) {
	_, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "")+tcpVIP("own", "127.0.0.1:1", "rpc_client_access")+
		strings.TrimSuffix(tcpVIP("clients", "127.0.0.1:2", "rpc_client_access"), "\n")+"\ntransparent = true\n")
	own, clients := &vips["own"].Profiles[0].Candidates[0], &vips["clients"].Profiles[0].Candidates[0]
	if own.Endpoint == clients.Endpoint || own.Endpoint.Transparent || !clients.Endpoint.Transparent ||
		own.Endpoint.Target != clients.Endpoint.Target || own.Service != clients.Service {
		t.Errorf("endpoints %+v and %+v; want one of each kind to the same service", own.Endpoint, clients.Endpoint)
	}
}

// What the host does not permit is refused by the VIP's name, before anything changes.
func TestTransparentIsPermitted(t *testing.T) {
	conf := &profiles.Config{Site: profiles.Site{VIPs: []profiles.VIP{{Name: "own"}, {Name: "clients", Transparent: true}}}}
	err := permitted(conf)
	if host := transparent.Permitted(); host == nil {
		if err != nil {
			t.Errorf("permitted() = %v on a host that permits it", err)
		}
	} else if !errors.Is(err, syscall.EPERM) || !strings.HasPrefix(err.Error(), "vip clients: transparent: ") {
		t.Errorf("permitted() = %v; want EPERM of the VIP clients", err)
	}
	if err := permitted(&profiles.Config{Site: profiles.Site{VIPs: conf.VIPs[:1]}}); err != nil {
		t.Errorf("permitted() = %v where nothing asks for it", err)
	}
}
