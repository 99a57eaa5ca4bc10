package profiles

// Tickets are the keys of TLS session tickets.
type Tickets struct {
	// KeyFile is where the keys stand, for nodes that share them; empty: in the state
	// directory.
	KeyFile string `toml:"key_file"`
	// Rotate says that this node makes new keys in time; of those that share a file
	// one does.
	Rotate bool `toml:"rotate"`
}

// tickets checks who makes the keys.
func (k *checker) tickets(p place, t *Tickets) {
	if t.KeyFile == "" && !t.Rotate {
		k.mistake(p.key("rotate"), "true, or a key_file beside it that another node turns the keys of", t.Rotate)
	}
	if t.KeyFile != "" {
		k.private(p.key("key_file"), t.KeyFile)
	}
}
