package page

import "fmt"

// Placement is what is known of where the mailboxes of a pool are.
type Placement struct {
	Prefers       bool   // clients that nothing binds are given the server of their mailbox
	Told, Crossed uint64 // answers that named that server, and those from another one
	Unknown       uint64 // those in which it is no server of the pool
}

// Line says how many requests went on from the server that took them to another one.
func (p *Placement) Line() string {
	if p.Told == 0 {
		return "no answer has told where a mailbox is"
	}
	text := fmt.Sprintf("%s of %s went sideways, to the server of the mailbox", shareOf(p.Crossed, p.Told), plural(int(p.Told), "request"))
	if p.Unknown > 0 {
		text += fmt.Sprintf("; %s named none of the pool's", count(p.Unknown))
	}
	return text
}

// shareOf returns part of whole, which is not 0. What is not nothing is not 0, and
// what is not all not 100.
func shareOf(part, whole uint64) string {
	switch p := 100 * float64(part) / float64(whole); {
	case part > 0 && p < 1:
		return "under 1%"
	case part < whole && p > 99:
		return "over 99%"
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}
