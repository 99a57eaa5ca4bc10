package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// tableFileName is where the bindings stand in the state directory while no
// casbah holds them.
const tableFileName = "bindings.snapshot"

// tableFile keeps the bindings over a restart.
type tableFile struct {
	path string

	mu    sync.Mutex // guards the field below; held for a look
	state TableFileStatus
}

// TableFileStatus is how the bindings on disk are.
type TableFileStatus struct {
	Saved         time.Time // when they were written last, by this process; zero: not yet
	SavedBindings int       // how many
	SaveError     string    // why the last try failed; empty: it did not
	Restored      int       // bindings taken over at the start
	RestoreError  string    // why none could be; empty: they were, or there was no file
}

func newTableFile(stateDir string) *tableFile {
	return &tableFile{path: filepath.Join(stateDir, tableFileName)}
}

func (f *tableFile) status() TableFileStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// save writes the table of l as it is at now. Whatever goes wrong, the file is
// as it was or as it is to be.
func (f *tableFile) save(ctx context.Context, now time.Time, l *live) error {
	var rows int
	err := replaceFile(f.path, func(w io.Writer) (err error) {
		rows, err = l.table.Save(ctx, now.UnixNano(), w, l.secret, l.serverNames())
		return err
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			f.state.SaveError = err.Error()
		}
		return err
	}
	f.state.Saved, f.state.SavedBindings, f.state.SaveError = now, rows, ""
	return nil
}

// restore takes the bindings of the file into the table of l, for the servers
// of those names. A file that cannot be used is set aside, and the error says
// where; one that is not there is fs.ErrNotExist.
func (f *tableFile) restore(now time.Time, l *live, servers map[string]bool) (persistence.Restored, error) {
	got, err := f.read(now, l, servers)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = f.setAside(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Restored = got.Bindings
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.state.RestoreError = err.Error()
	}
	return got, err
}

func (f *tableFile) read(now time.Time, l *live, servers map[string]bool) (persistence.Restored, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return persistence.Restored{}, err
	}
	defer file.Close()
	return l.table.Restore(now.UnixNano(), file, l.secret, func(name string) balance.ServerID {
		if !servers[name] {
			return 0
		}
		return l.servers.Get(name).ID
	})
}

// setAside renames a file that was refused because of why, so that the next
// save does not replace it: an administrator may want to know, or to go back to
// the casbah or the key that it belongs to. The newest one of each kind is kept.
func (f *tableFile) setAside(why error) error {
	kind := "unreadable"
	switch {
	case errors.Is(why, persistence.ErrDamaged):
		kind = "damaged"
	case errors.Is(why, persistence.ErrForeign):
		kind = "foreign"
	case errors.Is(why, persistence.ErrNewer):
		kind = "newer"
	}
	aside := f.path + "." + kind
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("%w (and it cannot be set aside: %w)", why, err)
	}
	return fmt.Errorf("%w (it is kept as %s)", why, aside)
}

// serverNames returns the names of all servers, in the order of their IDs.
func (l *live) serverNames() []string {
	var names []string
	for id := balance.ServerID(1); ; id++ {
		s := l.servers.ByID(id)
		if s == nil {
			return names
		}
		names = append(names, s.Name)
	}
}

// replaceFile puts a file with what write writes in the place of the one at
// path, readable by its owner alone. A crash or an error leaves the one that was
// there.
func replaceFile(path string, write func(io.Writer) error) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the state directory is configuration
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync() // before the name: else a crash may leave an empty file under it
	}
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // what matters is err
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a renaming in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the state directory is configuration
	if err != nil {
		return err
	}
	return cmp.Or(d.Sync(), d.Close())
}

// restoredText says what became of the bindings that were saved.
func restoredText(r persistence.Restored) string {
	var but []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{r.Expired, "%d have run out since"},
		{r.Orphans, "%d were of servers that are not configured any more"},
		{r.NoRoom, "%d found no room in the table"},
	} {
		if c.n > 0 {
			but = append(but, fmt.Sprintf(c.what, c.n))
		}
	}
	text := fmt.Sprintf("%d bindings, saved %s, are in force again", r.Bindings, r.Saved.UTC().Format(time.RFC3339))
	if len(but) > 0 {
		text += "; " + strings.Join(but, ", ")
	}
	return text
}
