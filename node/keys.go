package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	// ticketFileName is where the keys of session tickets stand in the state
	// directory, so that sessions outlive a restart.
	ticketFileName = "ticket.keys"

	// turnEvery is how often the keys of session tickets are looked at. It is also
	// how often a failed save is tried again.
	turnEvery = 10 * time.Minute
)

// ticketFile is where the keys are kept. Only keepTickets and Start use it.
type ticketFile struct {
	path    string
	unsaved bool // the keys in force are not those of the file
}

// restoreTickets takes over the ticket keys that an earlier casbah has left in
// the state directory. If it cannot, clients begin new sessions.
func (n *Node) restoreTickets(now time.Time) {
	f := &n.ticketFile
	f.unsaved = true
	text, err := os.ReadFile(f.path)
	if err == nil {
		if err = n.tickets.Restore(text, now); err != nil {
			err = setAside(f.path, err)
		}
	}
	switch {
	case err == nil:
		f.unsaved = false
	case !errors.Is(err, fs.ErrNotExist):
		n.warn("tls", "the keys of session tickets are lost, clients begin new TLS sessions: "+err.Error())
	}
	n.turnTickets(now)
}

// keepTickets changes the ticket keys in time until the node stops.
func (n *Node) keepTickets() {
	n.every(turnEvery, func() { n.turnTickets(time.Now()) })
}

// turnTickets changes the ticket keys if that is due, and saves them if they
// have changed.
func (n *Node) turnTickets(now time.Time) {
	f := &n.ticketFile
	if n.tickets.Turn(now) {
		f.unsaved = true
	}
	if !f.unsaved {
		return
	}
	err := replaceFile(f.path, func(w io.Writer) error {
		text, err := n.tickets.MarshalText()
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		n.warn("tls", fmt.Sprintf("the keys of session tickets cannot be saved, a restart would end all TLS sessions; tried again in some minutes: %v", err))
		return
	}
	f.unsaved = false
}
