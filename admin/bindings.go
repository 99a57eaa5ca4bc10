package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"casbah/node"
)

// bindingSource shows and deletes bindings.
type bindingSource interface {
	// Bindings calls each for every binding that f means, until it returns false.
	Bindings(f *node.BindingFilter, each func(*node.Binding) bool) error
	// CountBindings counts them.
	CountBindings(f *node.BindingFilter) ([]node.BindingCount, error)
	// DeleteBindings deletes them, and returns how many there were.
	DeleteBindings(f *node.BindingFilter) (int, error)
	// FindBindings looks up what a client brings.
	FindBindings(l *node.BindingLookup) ([]node.FoundBinding, error)
}

const (
	maxListings = 4        // at one time: each is a walk through the table
	lookupMax   = 64 << 10 // octets of a look-up
)

// Binding is one line of the answer of /api/v1/bindings, and of a look-up. The
// profiles of one scope, and the steps of one method in it, have their bindings
// together; all are named then.
type Binding struct {
	Key       string `json:"key"`    // a hash, in hexadecimal; empty: the client shows none
	Server    string `json:"server"` // empty, in a look-up: nothing is bound
	Age       int64  `json:"age_seconds"`
	Left      int64  `json:"left_seconds"`
	Confirmed bool   `json:"confirmed"`
	BindingOwner
}

// BindingOwner says whose a binding is. All is empty for a binding of a step that
// is not in force any more.
type BindingOwner struct {
	Step     string   `json:"step"`
	VIPs     []string `json:"vips"`
	Profiles []string `json:"profiles"`
	Scope    string   `json:"scope"`
}

// EndOfBindings is the last line of /api/v1/bindings; without it the list is cut.
type EndOfBindings struct {
	End  bool `json:"end"`
	Rows int  `json:"rows"`
	More int  `json:"more"` // that the limit kept out
}

// FoundBinding is what a chain made of what a client brings.
type FoundBinding struct {
	Binding
	Says string `json:"says,omitempty"` // why there is no binding, or where the server is named instead
}

// BindingLookup asks for what a client brings. It goes in a body, not in an
// address that somebody may write down: a cookie is a secret.
type BindingLookup struct {
	VIP     string   `json:"vip,omitempty"`
	Profile string   `json:"profile,omitempty"`
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`
	User    string   `json:"user,omitempty"`
	Cookie  string   `json:"cookie,omitempty"`
	Headers []string `json:"headers,omitempty"`
}

// BindingCount is the answer of /api/v1/bindings/count.
type BindingCount struct {
	Bindings    int           `json:"bindings"`
	Unconfirmed int           `json:"unconfirmed"`
	ByServer    []ServerCount `json:"by_server"`
	ByScope     []OwnerCount  `json:"by_scope"` // Step is empty
	ByStep      []OwnerCount  `json:"by_step"`
}

// ServerCount is how many bindings a server has.
type ServerCount struct {
	Server   string `json:"server"`
	Bindings int    `json:"bindings"`
}

// OwnerCount is how many bindings a scope or a step has.
type OwnerCount struct {
	BindingOwner
	Bindings int `json:"bindings"`
}

// Deleted is the answer of DELETE /api/v1/bindings.
type Deleted struct {
	Deleted int `json:"deleted"`
}

// bindings lists, as JSON lines. A million of them leave as they are read: no
// more than a few kilobytes are held at a time.
func (h *Handler) bindings(w http.ResponseWriter, r *http.Request) {
	limit := 0
	also := map[string]func(string) error{"limit": func(v string) (err error) {
		if limit, err = strconv.Atoi(v); err != nil || limit < 0 {
			return fmt.Errorf("limit: want a number, 0 for no limit, got %q", v)
		}
		return nil
	}}
	h.walk(w, r, also, func(f *node.BindingFilter) error {
		out := newBindingLines(w, h.chunkTime)
		if r.Method == http.MethodHead {
			return nil
		}
		end := EndOfBindings{End: true}
		err := h.source.Bindings(f, func(b *node.Binding) bool {
			if limit > 0 && end.Rows == limit {
				end.More++
				return true
			}
			end.Rows++
			return out.add(b)
		})
		if err != nil {
			return err // nothing is written yet: it refuses before the first row
		}
		out.end(end)
		return nil
	})
}

func (h *Handler) countBindings(w http.ResponseWriter, r *http.Request) {
	h.walk(w, r, nil, func(f *node.BindingFilter) error {
		counts, err := h.source.CountBindings(f)
		if err == nil {
			writeJSON(w, http.StatusOK, bindingCountOf(counts))
		}
		return err
	})
}

// walk has answer go through the bindings that the query means, at a place among
// the listings. What it refuses is a mistake of the query.
func (h *Handler) walk(w http.ResponseWriter, r *http.Request, also map[string]func(string) error, answer func(*node.BindingFilter) error) {
	f, err := filterOf(r.URL.Query(), also)
	if err == nil {
		if !h.enter(w) {
			return
		}
		defer h.leave()
		err = answer(f)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
	}
}

// findBindings looks up what a client brings. It is a read, though a POST.
func (h *Handler) findBindings(w http.ResponseWriter, r *http.Request) {
	var l BindingLookup
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, lookupMax))
	in.DisallowUnknownFields()
	if err := in.Decode(&l); err != nil {
		// The error of the decoder may hold a value, and that may be a secret.
		writeError(w, http.StatusBadRequest, "want a JSON object of vip, profile, from, to, user, cookie, and headers, a list of lines; at most 64 KiB")
		return
	}
	found, err := h.source.FindBindings(&node.BindingLookup{
		VIP: l.VIP, Profile: l.Profile, From: l.From, To: l.To, User: l.User, Cookie: l.Cookie, Headers: l.Headers,
	})
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	rows := make([]FoundBinding, 0, len(found))
	for i := range found {
		row := FoundBinding{Binding: bindingOf(&found[i].Binding), Says: found[i].Says}
		row.Step = found[i].Step
		rows = append(rows, row)
	}
	writeJSON(w, http.StatusOK, rows)
}

// deleteBindings deletes what the query means. To mean all it has to say so.
func (h *Handler) deleteBindings(w http.ResponseWriter, r *http.Request) {
	all := false
	f, err := filterOf(r.URL.Query(), map[string]func(string) error{"all": func(v string) error {
		if all = v == "true"; !all {
			return fmt.Errorf("all: want true, or nothing at all, got %q", v)
		}
		return nil
	}})
	if err == nil && all != (*f == node.BindingFilter{}) {
		err = fmt.Errorf("want at least one of %s; or all=true alone, to delete every binding", strings.Join(filterKeys, ", "))
	}
	n := 0
	if err == nil {
		n, err = h.source.DeleteBindings(f)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, Deleted{n})
}

// enter takes a place among the listings, or says that there is none.
func (h *Handler) enter(w http.ResponseWriter) bool {
	select {
	case h.listings <- struct{}{}:
		return true
	default:
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("%d listings of bindings are under way; try again when one is done", maxListings))
		return false
	}
}

func (h *Handler) leave() { <-h.listings }

// filterKeys are the keys of a filter in a query.
var filterKeys = []string{"vip", "profile", "server", "step", "key", "older", "confirmed"}

// filterOf reads a filter, and what else the query may hold. A key that it does
// not know is refused: a filter that is not heard would delete too much.
func filterOf(q url.Values, also map[string]func(string) error) (*node.BindingFilter, error) {
	f := new(node.BindingFilter)
	take := map[string]func(string) error{
		"vip":     func(v string) error { f.VIP = v; return nil },
		"profile": func(v string) error { f.Profile = v; return nil },
		"server":  func(v string) error { f.Server = v; return nil },
		"step":    func(v string) error { f.Step = v; return nil },
		"key":     func(v string) error { f.Key = v; return nil },
		"older": func(v string) (err error) {
			if f.Unused, err = time.ParseDuration(v); err != nil || f.Unused <= 0 {
				return fmt.Errorf("older: want a time such as 10m, got %q", v)
			}
			return nil
		},
		"confirmed": func(v string) error {
			f.Confirmed, f.Unconfirmed = v == "true", v == "false"
			if !f.Confirmed && !f.Unconfirmed {
				return fmt.Errorf("confirmed: want true or false, got %q", v)
			}
			return nil
		},
	}
	for key, values := range q {
		set := take[key]
		if set == nil {
			set = also[key]
		}
		switch {
		case set == nil:
			return nil, fmt.Errorf("%.100q: want one of %s", key, strings.Join(filterKeys, ", "))
		case len(values) != 1 || values[0] == "":
			return nil, fmt.Errorf("%s: want one value", key)
		}
		if err := set(values[0]); err != nil {
			return nil, err
		}
	}
	return f, nil
}
