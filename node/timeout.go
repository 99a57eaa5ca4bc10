package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"casbah/profiles"
)

// timeoutFileName is where timeouts that an operator has set stand in the state directory.
const timeoutFileName = "timeouts.json"

// The bounds of a timeout that an operator sets.
const (
	minTimeout = time.Minute
	maxTimeout = 30 * 24 * time.Hour // as that of a file
)

// ErrUnknown is what an order about something that is not there comes to.
var ErrUnknown = errors.New("there is none of that name")

// Timeout is the binding_timeout of a profile that an operator has set while
// casbah runs, in place of that of the file: a table that fills up needs it now,
// and the file may follow. It outlives a restart.
type Timeout struct {
	Profile string    `json:"profile"`
	Minutes int       `json:"minutes"`
	Since   time.Time `json:"since"`
	Who     string    `json:"who,omitempty"`
	Why     string    `json:"why,omitempty"`
}

// timeouts are those in force, by profile. Only who holds Node.reload uses them.
type timeouts map[string]Timeout

// over returns conf with the timeouts in the place of its own, which it leaves as
// they are.
func (t timeouts) over(conf *profiles.Config) *profiles.Config {
	if len(t) == 0 {
		return conf
	}
	set := *conf
	set.Profiles = maps.Clone(conf.Profiles)
	for name, o := range t {
		if pr := set.Profiles[name]; pr != nil {
			changed := *pr
			changed.BindingTimeout = time.Duration(o.Minutes) * time.Minute
			set.Profiles[name] = &changed
		}
	}
	return &set
}

// SetTimeout has bindings of the profile last o.Minutes without use, from their
// next use on; 0 is again what the file says. After ErrUnsaved that is in force; after
// any other error it is not.
func (n *Node) SetTimeout(ctx context.Context, o Timeout) error {
	n.reload.Lock()
	defer n.reload.Unlock()
	snap := n.snap.Load()
	if snap == nil || n.stopping.Load() {
		return errors.New("casbah is not running")
	}
	if err := o.check(snap); err != nil {
		return err
	}
	before := n.timeouts
	n.timeouts = maps.Clone(before)
	if n.timeouts == nil {
		n.timeouts = make(timeouts)
	}
	o.Since = time.Now()
	n.timeouts[o.Profile] = o
	if o.Minutes == 0 {
		delete(n.timeouts, o.Profile)
	}
	if err := n.apply(ctx, snap.file); err != nil {
		n.timeouts = before
		return err
	}
	n.event("operator", o.text(snap.file.Profiles[o.Profile].BindingTimeout))
	return n.saveTimeouts()
}

func (o *Timeout) check(snap *snapshot) error {
	if snap.file.Profiles[o.Profile] == nil || !snap.serves(o.Profile) {
		return fmt.Errorf("profile: %w, got %q; want one of %s", ErrUnknown, o.Profile, strings.Join(snap.served(), ", "))
	}
	if least, most := int(minTimeout/time.Minute), int(maxTimeout/time.Minute); o.Minutes != 0 && (o.Minutes < least || o.Minutes > most) {
		return fmt.Errorf("minutes: want %d to %d, or 0 for what the file says, got %d", least, most, o.Minutes)
	}
	return nil
}

// serves reports whether a VIP has the profile.
func (s *snapshot) serves(profile string) bool { return slices.Contains(s.served(), profile) }

// served returns the names of all profiles that VIPs have, sorted.
func (s *snapshot) served() []string {
	var names []string
	for _, v := range s.vips {
		names = append(names, v.conf.Profiles...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (o *Timeout) text(file time.Duration) string {
	text := fmt.Sprintf("bindings of %s last %d minutes without use, as an operator has set; the file says %s", o.Profile, o.Minutes, file)
	if o.Minutes == 0 {
		text = fmt.Sprintf("bindings of %s last %s without use, as the file says", o.Profile, file)
	}
	if o.Who != "" {
		text += ", by " + o.Who
	}
	if o.Why != "" {
		text += ": " + o.Why
	}
	return text
}

func (n *Node) timeoutFile() stateFile {
	return stateFile{filepath.Join(n.config.StateDir, timeoutFileName)}
}

// timeoutRecord is the form of the file.
type timeoutRecord struct {
	Timeouts []Timeout `json:"timeouts"`
}

func (n *Node) saveTimeouts() error {
	record := timeoutRecord{Timeouts: slices.SortedFunc(maps.Values(n.timeouts), func(a, b Timeout) int { return strings.Compare(a.Profile, b.Profile) })}
	if err := n.timeoutFile().save(&record); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsaved, err)
	}
	return nil
}

// restoreTimeouts takes over what an operator has set before a restart. If it
// cannot, the file's hold.
func (n *Node) restoreTimeouts() {
	var record timeoutRecord
	if err := n.timeoutFile().load(&record); err != nil {
		n.warn("operator", "the timeouts that an operator has set are lost, those of the file hold: "+err.Error())
		return
	}
	n.timeouts = make(timeouts)
	for _, o := range record.Timeouts {
		if m := time.Duration(o.Minutes) * time.Minute; o.Minutes > 0 && m >= minTimeout && o.Minutes <= int(maxTimeout/time.Minute) {
			n.timeouts[o.Profile] = o
		}
	}
}
