package lab

import (
	"crypto/subtle"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Domain is the Windows domain of the array, and its DNS suffix.
const (
	Domain    = "LAB"
	DNSSuffix = "lab.test"
)

// The account that a balancer's probes log in with.
const (
	ProbeUser     = "probe"
	ProbePassword = "Secret5"
)

// Users are the accounts of the domain. Names compare without case. It is safe
// for concurrent use.
type Users struct {
	mu        sync.RWMutex // guards the fields below
	passwords map[string]string
	refused   map[string]bool
}

// NewUsers returns the accounts that every lab has: alice, bob, carol and dave
// with the passwords Secret1 to Secret4, and probe, for a balancer, with Secret5.
func NewUsers() *Users {
	return &Users{passwords: map[string]string{
		"alice": "Secret1", "bob": "Secret2", "carol": "Secret3", "dave": "Secret4", ProbeUser: ProbePassword,
	}, refused: make(map[string]bool)}
}

// Refuse has nobody let in with that account, as when its password has expired,
// or everybody who knows the password again.
func (u *Users) Refuse(name string, refused bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused[bareName(name)] = refused
}

// Add adds an account, or gives it another password.
func (u *Users) Add(name, password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.passwords[bareName(name)] = password
}

// Names returns the accounts, sorted.
func (u *Users) Names() []string {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return slices.Sorted(maps.Keys(u.passwords))
}

// check returns the account that name and password open.
func (u *Users) check(name, password string) (account string, ok bool) {
	account, want, ok := u.password(name)
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 {
		return "", false
	}
	return account, true
}

// password returns the account that a name in any spelling means, and its
// password.
func (u *Users) password(name string) (account, password string, ok bool) {
	account = bareName(name)
	u.mu.RLock()
	defer u.mu.RUnlock()
	password, ok = u.passwords[account]
	return account, password, ok && !u.refused[account]
}

func (u *Users) known(name string) (account string, ok bool) {
	account = bareName(name)
	u.mu.RLock()
	defer u.mu.RUnlock()
	_, ok = u.passwords[account]
	return account, ok
}

// bareName reduces LAB\alice and alice@lab.test to alice.
func bareName(name string) string {
	if _, user, ok := strings.Cut(name, `\`); ok {
		name = user
	}
	name, _, _ = strings.Cut(name, "@")
	return strings.ToLower(name)
}
