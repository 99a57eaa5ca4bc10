package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"casbah/persistence"
	"casbah/profiles"
)

const (
	// lookEvery is how often the table is looked at: all its slots, some 10 ms
	// for a million bindings. It is also how often a failed save is tried again.
	lookEvery = time.Minute

	// saveEvery is how often the table is written to the state directory, so that
	// a crash forgets no more than what was bound since. It is that rare because
	// every time all of it is written, 24 MB for a million bindings.
	saveEvery = 5 * time.Minute

	// repeatEvery is how often a trouble that lasts makes an event. Events are few,
	// the log has it every time.
	repeatEvery = time.Hour
)

// keeping is what keepTable remembers; nobody else uses it.
type keeping struct {
	tried    time.Time // the table was saved, or was to be
	failed   time.Time // of the last event that it could not be saved; zero: it could
	crowded  time.Time // of the last event that it was full
	evicted  uint64    // Stats.Evictions that were told of
	refused  uint64
	pressure map[*persistence.Pressure]pressure // of VIPs, that were told of
}

func newKeeping(now time.Time) *keeping {
	return &keeping{tried: now, pressure: make(map[*persistence.Pressure]pressure)}
}

type pressure struct{ evicted, refused uint64 }

// restoreTable takes over the bindings that an earlier casbah has left in the
// state directory. If it cannot, the table stays empty: clients are then
// balanced anew, which is better than not at all.
func (n *Node) restoreTable(now time.Time, conf *profiles.Config) {
	servers := make(map[string]bool)
	for i := range conf.Servers {
		servers[conf.Servers[i].Name] = true
	}
	got, err := n.tableFile.restore(now, n.live, servers)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		n.warn("table", "bindings from before the start are lost, clients are balanced anew: "+err.Error())
	default:
		n.event("table", restoredText(got))
	}
}

// keepTable looks after the table until the node stops.
func (n *Node) keepTable() {
	k := newKeeping(time.Now())
	n.every(lookEvery, func() { n.lookAtTable(n.background, time.Now(), k) })
}

// lookAtTable notes how full the table is, tells if it is too full, and saves it
// if that is due.
func (n *Node) lookAtTable(ctx context.Context, now time.Time, k *keeping) {
	st := n.live.table.Stats(now.UnixNano())
	n.growth.add(now, st.Bindings)
	n.tellOfCrowd(now, &st, k)
	if !k.failed.IsZero() || now.Sub(k.tried) >= saveEvery {
		n.saveTable(ctx, now, k)
	}
}

// tellOfCrowd warns if bindings found no room since it was last called.
func (n *Node) tellOfCrowd(now time.Time, st *persistence.Stats, k *keeping) {
	evicted, refused := st.Evictions-k.evicted, st.Refusals-k.refused
	k.evicted, k.refused = st.Evictions, st.Refusals
	var by []string
	for _, v := range n.snap.Load().vips {
		p := &v.route.Counters.Table
		sum, told := pressure{p.Evictions.Load(), p.Refusals.Load()}, k.pressure[p]
		k.pressure[p] = sum
		if sum != told {
			by = append(by, fmt.Sprintf("%s %d and %d", v.conf.Name, sum.evicted-told.evicted, sum.refused-told.refused))
		}
	}
	if evicted+refused == 0 {
		return
	}
	what := fmt.Sprintf("the table is full (%d of %d bindings)", st.Bindings, st.Capacity)
	if st.Bindings < st.Capacity-st.Capacity/10 {
		what = fmt.Sprintf("the share of the table for unconfirmed bindings is full (%d)", st.Unconfirmed)
	}
	text := fmt.Sprintf("%s: since the last look %d bindings made room for new ones, and %d new ones found none (%s)",
		what, evicted, refused, strings.Join(by, ", "))
	n.warnAgain(now, &k.crowded, "table", text)
}

// warnAgain warns of a trouble that may last: of the warnings one in repeatEvery is
// an event; last is the time of that.
func (n *Node) warnAgain(now time.Time, last *time.Time, kind, text string) {
	if !last.IsZero() && now.Sub(*last) < repeatEvery {
		n.about(kind).Warn().Str("event", kind).Msg(text)
		return
	}
	*last = now
	n.warn(kind, text)
}

// saveTable writes the table to the state directory.
func (n *Node) saveTable(ctx context.Context, now time.Time, k *keeping) {
	k.tried = now
	err := n.tableFile.save(ctx, now, n.live)
	switch {
	case ctx.Err() != nil: // Stop saves it
	case err != nil:
		n.warnAgain(now, &k.failed, "table", n.saveErrorText(err))
	case !k.failed.IsZero():
		k.failed = time.Time{}
		n.event("table", "the bindings are saved again")
	}
}

// saveErrorText says what an administrator loses by a save that failed.
func (n *Node) saveErrorText(err error) string {
	kept := "a restart would forget them"
	if saved := n.tableFile.status().Saved; !saved.IsZero() {
		kept = "a restart would go back to those of " + saved.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("the bindings cannot be saved, %s; tried again every minute: %v", kept, err)
}

// leaveTable writes the table a last time, for the next casbah.
func (n *Node) leaveTable() {
	begun := time.Now()
	if err := n.tableFile.save(context.Background(), begun, n.live); err != nil {
		n.about("table").Error().Err(err).Msg("the bindings cannot be saved: the next start goes back to those that were saved before, if any")
		return
	}
	n.about("table").Info().Int("bindings", n.tableFile.status().SavedBindings).Dur("took", time.Since(begun)).Msg("bindings saved")
}
