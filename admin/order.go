package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"casbah/node"
)

// commander carries out what operators order of services.
type commander interface {
	// Order carries c out, and returns the services that it is about.
	Order(c node.Command) ([]node.OrderedService, error)
}

// OrderRequest is what /api/v1/drain, maintenance and ready take. Server or Pool is
// given, and Profile narrows it.
type OrderRequest struct {
	Server  string `json:"server,omitempty"`
	Pool    string `json:"pool,omitempty"`
	Profile string `json:"profile,omitempty"`
	Firm    bool   `json:"firm,omitempty"` // of a drain: bound clients leave at their next safe request
	By      string `json:"by,omitempty"`   // of a drain: when it becomes maintenance, 22:00 or 2026-11-22T22:00:00+01:00
	For     string `json:"for,omitempty"`  // likewise, after how long
	Wait    string `json:"wait,omitempty"` // that open requests are given in maintenance; none: 30s
	Who     string `json:"who,omitempty"`  // none: the user at the other end of the socket, or token
	Why     string `json:"why,omitempty"`
	Force   bool   `json:"force,omitempty"` // also if it leaves a profile without a server
}

// OrderAnswer is what was done.
type OrderAnswer struct {
	Services []OrderedService `json:"services"`
}

// OrderedService is a service that an OrderRequest was about.
type OrderedService struct {
	Pool    string `json:"pool"`
	Server  string `json:"server"`
	Profile string `json:"profile"`
	Before  string `json:"before"` // its state
	State   string `json:"state"`  // now
	Order   *Order `json:"order,omitempty"`
}

// Order is what an operator has ordered of a service, in Status.
type Order struct {
	State string    `json:"state"` // drain or maintenance
	Firm  bool      `json:"firm"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // when the drain becomes maintenance; missing: not by itself
	Wait  string    `json:"wait"`           // that open requests are given in maintenance
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	Left  Left      `json:"left"`
}

// Left is who still uses a service that is to be left.
type Left struct {
	Bound int   `json:"bound"` // bindings to the server, those of its other services too
	Open  int64 `json:"open"`  // requests and relayed connections of the service
}

func orderIn(o *node.Order, bound int, open int64) *Order {
	if o == nil {
		return nil
	}
	return &Order{o.State, o.Firm, o.Since, o.Until, o.Wait.String(), o.Who, o.Why, Left{bound, open}}
}

// The bounds of what an operator may say.
const (
	maxWord = 200            // octets of who and why
	maxWait = 24 * time.Hour // of wait
	maxLong = 30 * 24 * time.Hour
)

// order carries out an order of that kind.
func (h *Handler) order(state string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ask OrderRequest
		in := json.NewDecoder(http.MaxBytesReader(w, r.Body, orderMax))
		in.DisallowUnknownFields()
		if err := in.Decode(&ask); err != nil {
			writeError(w, http.StatusBadRequest, "want a JSON object of server, pool, profile, firm, by, for, wait, who, why and force: "+err.Error())
			return
		}
		c, err := ask.command(state, time.Now())
		if err != nil {
			writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		if c.Who == "" {
			c.Who = asker(r)
		}
		done, err := h.source.Order(c)
		bare, isBare := errors.AsType[*node.BareError](err)
		switch {
		case errors.Is(err, node.ErrUnknown):
			writeError(w, http.StatusNotFound, err.Error())
		case isBare:
			writeError(w, http.StatusConflict, bare.Error())
		case errors.Is(err, node.ErrUnsaved):
			writeError(w, http.StatusInternalServerError, err.Error())
		case err != nil:
			writeError(w, http.StatusServiceUnavailable, err.Error())
		default:
			writeJSON(w, http.StatusOK, answerOf(done))
		}
	}
}

// checkWords returns what is wrong with who ordered something, and why.
func checkWords(who, why string) error {
	switch {
	case len(who) > maxWord || len(why) > maxWord:
		return fmt.Errorf("who, why: want at most %d octets each", maxWord)
	case strings.ContainsFunc(who+why, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("who, why: want one line each")
	default:
		return nil
	}
}

// command returns what is ordered at the time now, or what is wrong with it.
func (ask *OrderRequest) command(state string, now time.Time) (node.Command, error) {
	c := node.Command{
		State: state, Server: ask.Server, Pool: ask.Pool, Profile: ask.Profile,
		Firm: ask.Firm, Wait: node.DefaultWait, Who: ask.Who, Why: ask.Why, Force: ask.Force,
	}
	switch {
	case ask.Server == "" && ask.Pool == "":
		return c, errors.New("server: want the name of a server, or that of a pool in pool")
	case state != "drain" && (ask.Firm || ask.By != "" || ask.For != ""):
		return c, errors.New("firm, by, for: want these for a drain alone")
	case state == "ready" && (ask.Wait != "" || ask.Force):
		return c, errors.New("wait, force: want these for a drain or maintenance alone")
	case ask.By != "" && ask.For != "":
		return c, errors.New("by, for: want one of the two")
	}
	if err := checkWords(ask.Who, ask.Why); err != nil {
		return c, err
	}
	var err error
	if c.Until, err = ask.until(now); err != nil {
		return c, err
	}
	if ask.Wait != "" {
		if c.Wait, err = time.ParseDuration(ask.Wait); err != nil || c.Wait < 0 || c.Wait > maxWait {
			return c, fmt.Errorf("wait: want a time from 0s to 24h such as 30s, got %q", ask.Wait)
		}
	}
	return c, nil
}

// until returns when the drain becomes maintenance; zero: not by itself.
func (ask *OrderRequest) until(now time.Time) (time.Time, error) {
	if ask.For != "" {
		d, err := time.ParseDuration(ask.For)
		if err != nil || d <= 0 || d > maxLong {
			return time.Time{}, fmt.Errorf("for: want a time up to 720h such as 30m, got %q", ask.For)
		}
		return now.Add(d), nil
	}
	if ask.By == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, ask.By); err == nil {
		if !at.After(now) || at.Sub(now) > maxLong {
			return time.Time{}, fmt.Errorf("by: want a time to come, within 720h, got %q; here it is %s", ask.By, now.Format(time.RFC3339))
		}
		return at, nil
	}
	clock, err := time.Parse("15:04", ask.By)
	if err != nil {
		return time.Time{}, fmt.Errorf("by: want a time of the day such as 22:00, or with its date 2026-11-22T22:00:00+01:00, got %q", ask.By)
	}
	y, m, d := now.Local().Date()
	at := time.Date(y, m, d, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	if !at.After(now) {
		at = time.Date(y, m, d+1, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	}
	return at, nil
}

func answerOf(done []node.OrderedService) OrderAnswer {
	a := OrderAnswer{Services: make([]OrderedService, 0, len(done))}
	for i := range done {
		s := &done[i]
		a.Services = append(a.Services, OrderedService{s.Pool, s.Server, s.Profile, s.Before, s.State, orderIn(s.Order, s.Bound, s.Open)})
	}
	return a
}

// asker names who has sent a change and does not say: the user at the other end of
// the socket, or else whoever has the token.
func asker(r *http.Request) string {
	if who, ok := r.Context().Value(trustedKey{}).(string); ok {
		return cmp.Or(who, "socket")
	}
	return "token"
}
