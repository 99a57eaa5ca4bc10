package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"casbah/node"
)

// orderMax is the longest order of an operator, in octets.
const orderMax = 64 << 10

// timekeeper changes how long bindings last.
type timekeeper interface {
	// SetTimeout has bindings of a profile last that long, in place of what the file says.
	SetTimeout(ctx context.Context, t node.Timeout) error
}

// timeout sets how many minutes bindings of a profile last without use.
func (h *Handler) timeout(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Profile string `json:"profile"`
		Minutes *int   `json:"minutes"` // null, or none: what the file says
		Who     string `json:"who"`
		Why     string `json:"why"`
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, orderMax))
	in.DisallowUnknownFields()
	if err := in.Decode(&order); err != nil {
		writeError(w, http.StatusBadRequest, "want a JSON object of profile, minutes (a whole number; 0 or null: what the file says), who and why: "+err.Error())
		return
	}
	if err := checkWords(order.Who, order.Why); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	t := node.Timeout{Profile: order.Profile, Who: cmp.Or(order.Who, asker(r)), Why: order.Why}
	if order.Minutes != nil {
		t.Minutes = *order.Minutes
	}
	switch err := h.source.SetTimeout(r.Context(), t); {
	case errors.Is(err, node.ErrUnknown):
		writeError(w, http.StatusNotFound, err.Error())
	case errors.Is(err, node.ErrUnsaved):
		writeError(w, http.StatusInternalServerError, err.Error())
	case err != nil:
		writeError(w, http.StatusUnprocessableEntity, err.Error())
	default:
		st := h.source.Status()
		writeJSON(w, http.StatusOK, persistenceOfProfile(&st, order.Profile))
	}
}

// persistenceOfProfile tells of the profile on every VIP that has it.
func persistenceOfProfile(st *node.Status, profile string) []Persistence {
	out := []Persistence{}
	for i := range st.VIPs {
		for _, p := range persistenceOf(st.VIPs[i].Persistence) {
			if p.Profile == profile {
				out = append(out, p)
			}
		}
	}
	return out
}
