package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"casbah/health/page"
)

// page is the document, complete as it stands: it needs no script to be read.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	var doc bytes.Buffer
	if err := page.Render(&doc, h.view()); err != nil {
		writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	out := squeeze(w, r)
	_, _ = out.Write(doc.Bytes()) // the client is gone if not
	_ = out.Close()
}

// asset serves a file that the page refers to; a browser asks each time
// whether it changed, so that an upgrade shows at once.
func asset(name string) http.HandlerFunc {
	data, err := page.Asset(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	}
}

func (h *Handler) health(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	if !h.source.Ready() {
		say(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	say(w, http.StatusOK, "ready")
}

func (h *Handler) vip(w http.ResponseWriter, r *http.Request) {
	switch up, known := h.source.VIPUp(r.PathValue("name")); {
	case !known:
		say(w, http.StatusNotFound, "no such VIP")
	case !up:
		say(w, http.StatusServiceUnavailable, "no server")
	default:
		say(w, http.StatusOK, "up")
	}
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) {
	st := h.source.Status()
	writeJSON(w, http.StatusOK, statusOf(&st))
}

func (h *Handler) reload(w http.ResponseWriter, r *http.Request) {
	if err := h.source.Reload(r.Context()); err != nil {
		h.options.Log.Error().Err(err).Msg("the configuration in force stays")
		writeError(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Reloaded bool `json:"reloaded"`
	}{true})
}

// late gives an answer its time to leave, however long it took to come to: the
// server counts from the request.
func late(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // an answer that is kept has none
}

// say writes a line of plain text.
func say(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, line+"\n") // the client is gone if not
}

// writeError writes what is wrong as {"error": "..."}.
func writeError(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, struct {
		Error string `json:"error"`
	}{text})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	late(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // plain values always encode; the client is gone if it cannot be written
}
