package tlsterm

import (
	"crypto/sha256"
	"fmt"
	"sync"
)

// Change is what Refresh found out about some files.
type Change struct {
	File string
	Text string // what is in force now; empty: nothing new
	Err  error  // why what stands there is not
}

// watched is what was made of some files, and is made again when they change. What
// cannot be used changes nothing; it is told of once.
type watched struct {
	file string // in messages

	mu      sync.Mutex // guards the fields below
	digest  [sha256.Size]byte
	refused string // why what stands in the files is not in force; empty: it is
}

// reading is what a look at files yields: what tells their contents apart, and what
// takes them over and says in words what they are. Take changes nothing if it
// returns an error.
type reading struct {
	digest [sha256.Size]byte
	take   func() (string, error)
}

// load looks at the files for the first time.
func (w *watched) load(read func() (reading, error)) error {
	r, err := read()
	if err != nil {
		return err
	}
	if _, err := r.take(); err != nil {
		return err
	}
	w.digest = r.digest
	return nil
}

// look looks at the files again. Contents that were refused are tried each time:
// a certificate that is not valid yet will be.
func (w *watched) look(read func() (reading, error)) []Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, err := read()
	var text string
	switch {
	case err != nil:
	case r.digest != w.digest:
		text, err = r.take()
	case w.refused == "":
		return nil // common case
	default:
		text = "holds again what is in force"
	}
	if err == nil {
		w.digest, w.refused = r.digest, ""
		return []Change{{File: w.file, Text: text}}
	}
	if err.Error() == w.refused {
		return nil
	}
	w.refused = err.Error()
	return []Change{{File: w.file, Err: fmt.Errorf("refused, what was in force stays: %w", err)}}
}

// refusal returns why what stands in the files is not in force; empty: it is.
func (w *watched) refusal() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}
