package main

import (
	"net"
	"net/netip"

	"github.com/rs/zerolog"

	"casbah/admin"
	"casbah/node"
	"casbah/profiles"
)

// newAdmin returns the handler of the admin listener.
func newAdmin(n *node.Node, conf *profiles.Config, log zerolog.Logger) *admin.Handler {
	host, _, err := net.SplitHostPort(conf.Admin.Listen)
	if err != nil {
		host = conf.Admin.Listen // check has refused what is no address and port
	}
	return admin.New(n, admin.Options{
		Token:    conf.Admin.Token.Reveal(),
		Loopback: loopback(host),
		Host:     host,
		Log:      log,
	})
}

// loopback reports whether host is this machine alone.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && a.IsLoopback())
}
