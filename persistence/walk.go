package persistence

import "casbah/balance"

// MaxReadings is the most keys that one walk holds. A cookie step may read more
// than one.
const MaxReadings = 10

// Walk is what a chain made of one request. The zero value is ready and may be
// used again; it holds no pointer into the request.
type Walk struct {
	Server balance.ServerID // the candidate; 0: none, the algorithm chooses
	By     int              // index of the step that gave the candidate; -1: none did
	Why    Why
	Held   bool // fallback = false, and the client's server is gone: no other may serve it
	N      int  // how many readings

	Readings [MaxReadings]Reading // in the order of the steps

	outpaced bool  // see Outpaced
	sealed   bool  // the TLS session is one of casbah's own identities
	anybody  bool  // an answer of success confirms nobody
	clash    uint8 // see Chain.Clash: number of the cookie of casbah's own; 0: none
	clashSet bool
	issued   uint8 // see Chain.Issued, likewise
	missing  bool

	home      Key  // under which it is known where the mailbox is; zero: nobody asks
	homeByKey bool // it stands for a key of the chain: the request names no mailbox

	served balance.ServerID // who serves the request
	at     uint32           // second of the walk
	noted  uint32           // second in which the client was counted behind its address; 0: it was not
	source [16]byte         // the client's address, where clients are counted behind it
	counts bool             // they are
}

// Used returns the reading that gave the candidate, or nil.
func (w *Walk) Used() *Reading {
	for i := range w.Readings[:w.N] {
		if w.Readings[i].Use == Decided {
			return &w.Readings[i]
		}
	}
	return nil
}
