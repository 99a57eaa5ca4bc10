package admin

import (
	"encoding/json"
	"net/http"
)

// logger says how much is logged.
type logger interface {
	// LogLevels returns the least level that is logged of each part of casbah.
	LogLevels() map[string]string
	// SetLogLevel changes that of a part, or of all where part is empty; an empty
	// level is that of the configuration.
	SetLogLevel(part, level string) error
}

func (h *Handler) logLevels(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, h.source.LogLevels())
}

// setLogLevel changes how much is logged until casbah ends.
func (h *Handler) setLogLevel(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Part  string `json:"part"`
		Level string `json:"level"`
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, orderMax))
	in.DisallowUnknownFields()
	if err := in.Decode(&order); err != nil {
		writeError(w, http.StatusBadRequest, "want a JSON object of part and level: "+err.Error())
		return
	}
	if err := h.source.SetLogLevel(order.Part, order.Level); err != nil {
		writeError(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	h.logLevels(w, r)
}
