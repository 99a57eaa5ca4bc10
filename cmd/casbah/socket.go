package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"casbah/admin"
	"casbah/profiles"
)

// socketName is what the socket of the admin API is called in a directory that
// nobody names.
const socketName = "admin.sock"

// socketPlaces are where commands look for it: the run directory of the unit, and
// the state directory that is the default.
var socketPlaces = []string{"/run/casbah/" + socketName, "/var/lib/casbah/" + socketName}

// adminSocket opens the socket for those who need no token; nil if there is to be
// none. A path that nobody has chosen and that is too long is passed over.
func adminSocket(ctx context.Context, conf *profiles.Config, log zerolog.Logger) (net.Listener, error) {
	path := conf.Admin.Socket
	if path == "off" {
		return nil, nil //nolint:nilnil // no socket is no error
	}
	chosen := path != ""
	if !chosen {
		dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":") // systemd.exec(5): a list
		path = filepath.Join(cmp.Or(dir, conf.StateDir), socketName)
	}
	ln, err := admin.ListenSocket(ctx, path)
	switch {
	case err == nil:
		log.Info().Str("socket", path).Msg("admin socket is open")
		return ln, nil
	case !chosen && errors.Is(err, admin.ErrSocketPath):
		log.Warn().Err(err).Msg("there is no admin socket: [admin] socket names another path")
		return nil, nil //nolint:nilnil // likewise
	default:
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
}
