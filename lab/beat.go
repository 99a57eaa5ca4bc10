package lab

import "sync"

// beats are the intervals that a test has made pass; see Array.Beat. The zero value
// has none.
type beats struct {
	mu   sync.Mutex // guards the fields below
	n    int
	next chan struct{} // closed with the next one; nil: nobody waits
}

// Beat makes an interval pass at once for whoever is held now, on whichever CAS:
// each hears what an interval brings, PENDING of MAPI, an event of EWS, a keep-alive
// of OWA. With a long Options.Interval a test so decides when the next one leaves.
func (a *Array) Beat() {
	b := &a.beats
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// watch returns how many there were, and what is closed with the next one.
func (b *beats) watch() (n int, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.n, b.next
}
