package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// BindingFilter says which bindings are meant, by names of the configuration.
// The zero value of a field means any.
type BindingFilter struct {
	VIP, Profile           string // those of its scopes, which it may share with others
	Server                 string
	Step                   string        // a method, such as cookie, or a step, such as "cookie UserContext"
	Key                    string        // in hexadecimal, its first digits or all; it stands alone
	Unused                 time.Duration // for at least so long
	Confirmed, Unconfirmed bool          // only those
}

// FilterError is a filter that can mean nothing.
type FilterError struct{ Field, Want, Got string }

func (e *FilterError) Error() string {
	return fmt.Sprintf("%s: want %s, got %q", e.Field, e.Want, e.Got)
}

// oneOf returns the error for a name that is none of names.
func oneOf(field string, names []string, got string) error {
	if len(names) == 0 {
		return &FilterError{field, "nothing: there is none", got}
	}
	return &FilterError{field, "one of " + strings.Join(names, ", "), got}
}

// Binding is one row of a listing.
type Binding struct {
	Key       persistence.Key
	Owner     *BindingOwner
	Server    string
	Age       time.Duration // since its last use
	Left      time.Duration // that it lives on if it is not used
	Confirmed bool
}

// BindingCount is how many bindings an owner has to a server.
type BindingCount struct {
	Owner                 *BindingOwner
	Server                string
	Bindings, Unconfirmed int
}

// errNotStarted is the answer before the first snapshot.
var errNotStarted = errors.New("casbah is starting")

// Bindings calls each for every binding that f means, until it returns false. It
// holds no lock while each runs, which may take its time; the row is valid until
// each returns. A binding that moves in the table meanwhile may be left out or
// come twice.
func (n *Node) Bindings(f *BindingFilter, each func(*Binding) bool) error {
	now := time.Now()
	q, err := n.query(f)
	if err != nil {
		return err
	}
	var row Binding
	rowOf := func(b persistence.Binding) bool {
		q.fill(&row, now, &b)
		return each(&row)
	}
	if !q.key.IsZero() {
		if b, ok := n.live.table.Find(now.UnixNano(), q.key); ok {
			rowOf(b)
		}
		return nil
	}
	n.live.table.Select(now.UnixNano(), &q.selection, rowOf)
	return nil
}

// CountBindings counts the bindings that f means.
func (n *Node) CountBindings(f *BindingFilter) ([]BindingCount, error) {
	type group struct {
		owner  *BindingOwner
		server string
	}
	index := make(map[group]int)
	var counts []BindingCount
	err := n.Bindings(f, func(b *Binding) bool {
		g := group{b.Owner, b.Server}
		i, ok := index[g]
		if !ok {
			i = len(counts)
			index[g] = i
			counts = append(counts, BindingCount{Owner: b.Owner, Server: b.Server})
		}
		counts[i].Bindings++
		if !b.Confirmed {
			counts[i].Unconfirmed++
		}
		return true
	})
	return counts, err
}

// DeleteBindings ends the bindings that f means, and returns how many. Requests
// that are open go on.
func (n *Node) DeleteBindings(f *BindingFilter) (int, error) {
	now := time.Now().UnixNano()
	q, err := n.query(f)
	if err != nil {
		return 0, err
	}
	deleted := 0
	switch {
	case f.Key != "" && q.key.IsZero():
		if deleted, err = n.deleteBegun(now, q, f.Key); err != nil {
			return 0, err
		}
	case q.key.IsZero():
		deleted = n.live.table.Delete(now, &q.selection)
	case n.live.table.DeleteKey(now, q.key):
		deleted = 1
	}
	if deleted > 0 {
		n.event("bindings", fmt.Sprintf("%s deleted: %d", f, deleted))
	}
	return deleted, nil
}

// deleteBegun deletes the one binding whose key begins with those digits. Digits
// that several keys have were meant for one of them.
func (n *Node) deleteBegun(now int64, q *query, digits string) (int, error) {
	var keys []persistence.Key
	n.live.table.Select(now, &q.selection, func(b persistence.Binding) bool {
		keys = append(keys, b.Key)
		return len(keys) < 2
	})
	switch {
	case len(keys) > 1:
		return 0, &FilterError{"key", "more digits: several keys begin with these", digits}
	case len(keys) == 1 && n.live.table.DeleteKey(now, keys[0]):
		return 1, nil
	default:
		return 0, nil
	}
}

// String says which bindings f means.
func (f *BindingFilter) String() string {
	var words []string
	add := func(on bool, text string) {
		if on {
			words = append(words, text)
		}
	}
	add(f.Key != "", "key "+f.Key)
	add(f.Server != "", "server "+f.Server)
	add(f.VIP != "", "VIP "+f.VIP)
	add(f.Profile != "", "profile "+f.Profile)
	add(f.Step != "", "step "+f.Step)
	what := "bindings"
	switch {
	case f.Confirmed:
		what = "confirmed bindings"
	case f.Unconfirmed:
		what = "unconfirmed bindings"
	case len(words) == 0 && f.Unused == 0:
		return "all bindings"
	}
	if len(words) > 0 {
		what += " of " + strings.Join(words, ", ")
	}
	if f.Unused > 0 {
		what += " unused for " + f.Unused.String()
	}
	return what
}

// query is a filter, and what it takes to make rows.
type query struct {
	snap      *snapshot
	selection persistence.Selection
	key       persistence.Key // zero unless the filter has one
	owners    map[uint16]*BindingOwner
	servers   []string // index is the ID; 0 is none
}

// query makes f ready, against the snapshot in force.
func (n *Node) query(f *BindingFilter) (*query, error) {
	snap := n.snap.Load()
	if snap == nil {
		return nil, errNotStarted
	}
	labels := labelsOf(snap)
	q := &query{snap: snap, owners: ownersOf(labels), servers: serverNames(&n.live.servers)}
	q.selection.Unused, q.selection.Confirmed, q.selection.Unconfirmed = f.Unused, f.Confirmed, f.Unconfirmed
	if f.Key != "" {
		if *f != (BindingFilter{Key: f.Key}) {
			return nil, &FilterError{"key", "it alone, without another filter", f.Key}
		}
		var err error
		if q.key, err = persistence.ParseKey(f.Key); err != nil {
			if q.selection.Prefix, err = persistence.ParseKeyPrefix(f.Key); err != nil {
				return nil, fmt.Errorf("key: %w", err)
			}
		}
		return q, nil
	}
	if f.Server != "" {
		id := slices.Index(q.servers, f.Server)
		if id < 0 {
			return nil, oneOf("server", q.servers[1:], f.Server)
		}
		q.selection.Server = balance.ServerID(id)
	}
	var err error
	q.selection.Marks, err = marksOf(snap, labels, f)
	return q, err
}

// serverNames returns the name of each server that was ever configured.
func serverNames(servers *balance.Servers) []string {
	names := []string{""}
	for {
		s := servers.ByID(balance.ServerID(len(names)))
		if s == nil {
			return names
		}
		names = append(names, s.Name)
	}
}

// nobody owns the bindings of steps that are no longer in force.
var nobody BindingOwner

// fill makes row the row of b.
func (q *query) fill(row *Binding, now time.Time, b *persistence.Binding) {
	*row = Binding{Key: b.Key, Owner: q.owners[b.Key.Mark()], Confirmed: b.Confirmed}
	if row.Owner == nil {
		row.Owner = &nobody
	}
	if int(b.Server) < len(q.servers) {
		row.Server = q.servers[b.Server]
	}
	row.Age = max(now.Sub(b.Used).Truncate(time.Second), 0)
	row.Left = max(b.Idle-row.Age, 0)
}
