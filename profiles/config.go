// Package profiles turns configuration files into checked values: the profiles
// and presets that ship, and the file of a site, casbah.toml. After Load nothing
// validates again: what loads, can be served.
package profiles

import "time"

// Config is one configuration, checked, with every default in place and every
// path of a file absolute or relative to the working directory.
type Config struct {
	Path string `toml:"-"` // of the file, as it was given
	Process
	Site
}

// Process is what takes effect when casbah starts and not on reload.
type Process struct {
	// StateDir is where the table snapshot, generated secrets, ticket keys and
	// operator states are kept. A relative path starts at the file's directory.
	StateDir string `toml:"state_dir"`
	// Engine is the driver of connections: reactor (Linux) or net.
	Engine string `toml:"engine"`
	// Loops is how many event loops the engine runs; 0 is one per core.
	Loops int `toml:"loops"`
	// DrainTimeout is how long open connections may go on when casbah stops; 0
	// closes them at once.
	DrainTimeout time.Duration `toml:"drain_timeout"`
	Log          Log           `toml:"log"`
	Limits       Limits        `toml:"limits"`
	Admin        Admin         `toml:"admin"`
	Tickets      Tickets       `toml:"tickets"`
}

// Log says what is logged and where.
type Log struct {
	// Level is the least level that is logged: debug, info, warn or error.
	Level string `toml:"level"`
	// Access is where access records go: off, stderr, or the path of a file.
	Access string `toml:"access"`
	// Users has access records name the user of a connection that carries an
	// identity. Names of people are in the log then.
	Users bool `toml:"users"`
}

// Limits bound what clients can make casbah hold.
type Limits struct {
	// Connections is how many client connections may be open at once.
	Connections int `toml:"connections"`
	// PerSource is how many of them one client address may hold; 0 is any number.
	PerSource int `toml:"per_source"`
	// HeadBytes is the longest request or response head, in octets.
	HeadBytes int `toml:"head_bytes"`
	// Bindings is how many bindings the table holds for each core.
	Bindings int `toml:"bindings"`
}

// Admin is the listener of the page, the API and the metrics.
type Admin struct {
	// Listen is an address and port. Off loopback it needs a token.
	Listen string `toml:"listen"`
	// TokenFile holds the token that changes need, and reads off loopback.
	TokenFile string `toml:"token_file"`
	// Socket is the path of a Unix socket, for whose users no token is needed; off
	// is none. Empty is admin.sock in the run directory that systemd gives, or else
	// in the state directory.
	Socket string `toml:"socket"`
	// Token is what stands in TokenFile, without white space around it; empty without.
	Token Secret `toml:"-"`
}
