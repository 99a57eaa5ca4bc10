package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"casbah/profiles"
)

const (
	// ticketFileName is where the keys of session tickets stand in the state
	// directory, so that sessions outlive a restart.
	ticketFileName = "ticket.keys"

	// turnEvery is how often the keys of session tickets are looked at. It is also
	// how often a failed save is tried again.
	turnEvery = 10 * time.Minute

	// shareEvery is how often a file is read that nodes share.
	shareEvery = 30 * time.Second

	// staleTickets is how long a key seals that nobody has turned in time.
	staleTickets = 16 * time.Hour
)

// ticketFile is where the keys are kept. Only keepTickets and Start use it.
type ticketFile struct {
	path    string
	shared  bool              // other nodes read it as well, and one of them may write it
	rotates bool              // this node makes new keys
	seen    [sha256.Size]byte // of what the file held last
	unsaved bool              // the keys in force are not those of the file
	refused string            // why what stands in the file is not in force; empty: it is
	told    time.Time         // when it was said that nobody turns the keys
	failed  time.Time         // of the last event that they cannot be saved; zero: they can
}

// newTicketFile returns where the keys stand.
func newTicketFile(conf *profiles.Config) ticketFile {
	if t := &conf.Tickets; t.KeyFile != "" {
		return ticketFile{path: t.KeyFile, shared: true, rotates: t.Rotate}
	}
	return ticketFile{path: filepath.Join(conf.StateDir, ticketFileName), rotates: true}
}

// restoreTickets takes over the ticket keys that an earlier casbah has left. If it
// cannot, clients begin new sessions.
func (n *Node) restoreTickets(now time.Time) {
	f := &n.ticketFile
	if f.shared {
		n.tickets.Share()
	}
	f.unsaved = true
	err := n.readTickets(now)
	if err != nil && f.rotates && !errors.Is(err, fs.ErrNotExist) {
		err = f.setAside(err)
	}
	switch {
	case err == nil:
	case !f.rotates:
		n.warn("tls", "the keys of session tickets are this node's own, and other nodes' clients begin new TLS sessions here, until there is the file of the shared ones: "+err.Error())
		f.refused = err.Error()
	case !errors.Is(err, fs.ErrNotExist):
		n.warn("tls", "the keys of session tickets are lost, clients begin new TLS sessions: "+err.Error())
	}
	n.turnTickets(now)
}

// readTickets puts in force what the file holds, if that is new.
func (n *Node) readTickets(now time.Time) error {
	f := &n.ticketFile
	text, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	seen := sha256.Sum256(text)
	if seen == f.seen {
		return nil
	}
	if err := n.tickets.Restore(text, now); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(f.path), err)
	}
	f.seen, f.unsaved = seen, false
	return nil
}

// setAside renames a file that was refused because of why.
func (f *ticketFile) setAside(why error) error {
	aside := f.path + ".damaged"
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("%w (and it cannot be set aside: %w)", why, err)
	}
	return fmt.Errorf("%w (it is kept as %s)", why, aside)
}

// keepTickets changes the ticket keys in time until the node stops.
func (n *Node) keepTickets() {
	interval := turnEvery
	if n.ticketFile.shared {
		interval = shareEvery
	}
	n.every(interval, func() { n.turnTickets(time.Now()) })
}

// turnTickets changes the ticket keys if that is due, and saves them if they
// have changed. Of a file that nodes share, what another one has written counts
// first.
func (n *Node) turnTickets(now time.Time) {
	f := &n.ticketFile
	if f.shared {
		n.followTickets(now)
	}
	if !f.rotates {
		n.warnStale(n.tickets.Advance(now), now)
		return
	}
	if n.tickets.Turn(now) {
		f.unsaved = true
	}
	if !f.unsaved {
		return
	}
	text, err := n.tickets.MarshalText()
	if err == nil {
		err = replaceFile(f.path, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	}
	if err != nil {
		n.warnAgain(now, &f.failed, "tls", fmt.Sprintf("the keys of session tickets cannot be saved, a restart would end all TLS sessions; tried again in some minutes: %v", err))
		return
	}
	f.seen, f.unsaved, f.failed = sha256.Sum256(text), false, time.Time{}
}

// followTickets takes over what another node has written. What cannot be used
// changes nothing, and is told of once.
func (n *Node) followTickets(now time.Time) {
	f := &n.ticketFile
	err := n.readTickets(now)
	if f.rotates && errors.Is(err, fs.ErrNotExist) {
		f.unsaved, err = true, nil // it is written again
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.refused {
		return
	}
	f.refused = text
	if err != nil {
		n.warn("tls", "the shared keys of session tickets cannot be read, what was in force stays: "+text)
		return
	}
	n.event("tls", "the keys of session tickets are those of "+f.path)
}

// warnStale warns daily of a key that has sealed for longer than keys do.
func (n *Node) warnStale(age time.Duration, now time.Time) {
	f := &n.ticketFile
	if age < staleTickets || now.Sub(f.told) < remindEvery {
		return
	}
	f.told = now
	n.warn("tls", fmt.Sprintf("the key of session tickets is %d hours old, and nobody turns it: one of the nodes that share %s has tickets.rotate = true", age/time.Hour, f.path))
}
