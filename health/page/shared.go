package page

import "time"

// Shared is a client address that many clients share.
type Shared struct {
	Address, Scope string
	Profiles       []string
	Clients        int // an estimate
	Since          time.Time
	By             string // what makes it shared: counted, or shared_networks
	Balanceable    bool   // its clients can be told apart, and are balanced one by one
}

// maxShared is how many shared addresses are shown.
const maxShared = 12

// crowd is the shared addresses as the page shows them.
type crowd struct {
	Rows        []Shared
	More        int // that are not shown
	Unbalanced  int // of all, that are not balanceable
	SharedOfAll int
}

// crowdOf puts those first that cannot be balanced, in the order of the view.
func crowdOf(all []Shared) crowd {
	c := crowd{SharedOfAll: len(all)}
	for _, balanceable := range []bool{false, true} {
		for i := range all {
			if all[i].Balanceable == balanceable {
				c.Rows = append(c.Rows, all[i])
			}
		}
		if !balanceable {
			c.Unbalanced = len(c.Rows)
		}
	}
	if len(c.Rows) > maxShared {
		c.Rows, c.More = c.Rows[:maxShared], len(c.Rows)-maxShared
	}
	return c
}
