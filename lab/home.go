package lab

import (
	"hash/fnv"
	"strings"
	"sync"
)

// homes say which CAS holds which mailbox, as mailbox servers do since Exchange 2013,
// where every one of them is a client access server, too. The zero value is ready.
type homes struct {
	mu    sync.Mutex     // guards the field below
	moved map[string]int // by account, index of the CAS; others are where their name puts them
}

// Home returns the CAS that holds the mailbox of an account.
func (a *Array) Home(account string) *CAS {
	account = bareName(account)
	a.homes.mu.Lock()
	defer a.homes.mu.Unlock()
	if i, ok := a.homes.moved[account]; ok {
		return a.cas[i]
	}
	h := fnv.New32a()
	h.Write([]byte(account))
	return a.cas[h.Sum32()%uint32(len(a.cas))]
}

// MoveMailbox makes the i-th CAS hold the mailbox of an account.
func (a *Array) MoveMailbox(account string, i int) {
	a.homes.mu.Lock()
	defer a.homes.mu.Unlock()
	if a.homes.moved == nil {
		a.homes.moved = make(map[string]int)
	}
	a.homes.moved[bareName(account)] = i
}

// tellHome says on the answer which CAS has taken the request and which one holds the
// mailbox: that of X-AnchorMailbox, or else the visitor's own.
func (v *visit) tellHome() {
	a := v.cas.array
	if !a.options.Mailboxes {
		return
	}
	account := v.user
	anchor := v.r.Header.Get("X-AnchorMailbox")
	if _, name, ok := strings.Cut(anchor, ":"); ok {
		anchor = name
	}
	if known, ok := a.users.known(anchor); ok {
		account = known
	}
	home := a.Home(account)
	v.set("X-FEServer", strings.ToUpper(v.cas.name))
	v.set("X-BEServer", strings.ToUpper(home.name))
	v.set("X-CalculatedBETarget", home.name+"."+DNSSuffix)
	if home != v.cas {
		v.cas.counters.crossed.Add(1)
	}
}
