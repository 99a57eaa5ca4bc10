package page

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Protocol is one profile of a VIP.
type Protocol struct {
	Name     string
	Measured bool // requests are seen; what is relayed has connections alone
	Traffic  Traffic
	Requests uint64
	Answers  []Count       // by hundreds of the status
	Rebinds  []Count       // clients that got another server, by what became of theirs
	Kept     []string      // the steps that keep clients on their server, in order
	Timeout  time.Duration // of a binding, without use
	Override *Override     // nil: Timeout is the file's
	Inserted *Inserted     // nil: casbah inserts none
}

// Override is a timeout that an operator has set.
type Override struct {
	Minutes  int
	Since    time.Time
	Who, Why string
}

// Inserted is what casbah gives to browsers so that they show where they belong.
type Inserted struct {
	Name    string
	Version int           // 0: Expires, 1: Max-Age
	Timeout time.Duration // 0: until the browser closes
}

// Line is what there is to know of it.
func (in *Inserted) Line() string {
	until := "until the browser closes"
	if in.Timeout > 0 {
		until = "for " + span(in.Timeout)
	}
	return fmt.Sprintf("cookie %s, version %d, %s", in.Name, in.Version, until)
}

// Line says since when, by whom and why.
func (o *Override) Line(now time.Time) string {
	return "set " + span(now.Sub(o.Since)) + " ago" + signed(o.Who, o.Why)
}

// Chain is the steps in order.
func (p *Protocol) Chain() string {
	if len(p.Kept) == 0 {
		return "nothing"
	}
	return strings.Join(p.Kept, ", ")
}

// keeper is how a profile keeps its clients, on the VIPs that have it alike.
type keeper struct {
	Protocol
	VIPs []string
}

// keepersOf gathers the profiles of v.
func keepersOf(v *View) []keeper {
	var ks []keeper
	for i := range v.VIPs {
		for j := range v.VIPs[i].Protocols {
			p := &v.VIPs[i].Protocols[j]
			at := slices.IndexFunc(ks, func(k keeper) bool { return k.alike(p) })
			if at < 0 {
				at, ks = len(ks), append(ks, keeper{Protocol: *p})
			}
			ks[at].VIPs = append(ks[at].VIPs, v.VIPs[i].Name)
		}
	}
	return ks
}

func (k *keeper) alike(p *Protocol) bool {
	same := k.Inserted == p.Inserted || k.Inserted != nil && p.Inserted != nil && *k.Inserted == *p.Inserted
	return same && k.Name == p.Name && k.Timeout == p.Timeout && slices.Equal(k.Kept, p.Kept)
}

// flow is a protocol under traffic.
type flow struct {
	VIP string
	*Protocol
}

// flowsOf lists the protocols that have had requests, and how many have had none.
func flowsOf(v *View) (fs []flow, idle int) {
	for i := range v.VIPs {
		for j := range v.VIPs[i].Protocols {
			switch p := &v.VIPs[i].Protocols[j]; {
			case !p.Measured:
			case p.Requests > 0:
				fs = append(fs, flow{v.VIPs[i].Name, p})
			default:
				idle++
			}
		}
	}
	return fs, idle
}

// signed is who wanted a thing and why, behind what they wanted.
func signed(who, why string) string {
	var text string
	if who != "" {
		text = " by " + who
	}
	if why != "" {
		text += ": " + why
	}
	return text
}
