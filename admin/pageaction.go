package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"casbah/health/page"
)

// sheetPolicy is policy for pages with a form, which go to casbah alone.
var sheetPolicy = strings.Replace(policy, "form-action 'none'", "form-action 'self'", 1)

// maxForm is the longest form, in octets.
const maxForm = 16 << 10

// ask shows the form of an order; confirm shows what it will do, and asks for the
// token. Neither changes anything.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) {
	h.sheet(w, http.StatusOK, &page.Sheet{Ask: page.AskOf(r.URL.Query())})
}

func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) {
	a := page.AskOf(r.URL.Query())
	h.sheet(w, http.StatusOK, &page.Sheet{Ask: a, Confirm: a.Do != ""})
}

// carryOut takes a confirmed order. It passes it on to the API as a client would
// that has the token: that of the form, and no other. What a browser adds by itself
// counts for nothing, so that no foreign page can order anything.
func (h *Handler) carryOut(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "want a form", http.StatusBadRequest)
		return
	}
	s := &page.Sheet{Ask: page.AskOf(r.PostForm), Confirm: true}
	path, body, wrong := orderOf(&s.Ask)
	if wrong != "" {
		s.Refusal, s.Confirm = wrong, s.Do != ""
		h.sheet(w, http.StatusBadRequest, s)
		return
	}
	code, refusal := h.pass(r, path, r.PostForm.Get("token"), body)
	late(w)
	if code < http.StatusMultipleChoices {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.Refusal, s.Forceable = refusal, code == http.StatusConflict
	s.InForce = code == http.StatusInternalServerError // and no more than not saved
	if code == http.StatusUnauthorized {
		code, s.Refusal = http.StatusForbidden, "that is not the token" // 401 would have the browser ask for a password
	}
	h.sheet(w, code, s)
}

// orderPaths are where orders go in the API.
var orderPaths = map[string]string{
	"drain": "/api/v1/drain", "maintenance": "/api/v1/maintenance", "ready": "/api/v1/ready",
	"timeout": "/api/v1/timeout", "reload": "/api/v1/reload",
}

// orderOf returns where in the API the order goes, and what it says there; wrong
// is what is wrong with its form.
func orderOf(a *page.Ask) (path string, body map[string]any, wrong string) {
	body = map[string]any{"who": a.Who, "why": a.Why}
	switch a.Do {
	case "":
		return "", nil, "want one of drain, maintenance, ready, timeout, reload"
	case "reload":
		body = nil
	case "timeout":
		body["profile"], body["minutes"] = a.Profile, nil
		if a.Minutes != "" {
			n, err := strconv.Atoi(a.Minutes)
			if err != nil {
				return "", nil, "minutes: want a whole number"
			}
			body["minutes"] = n
		}
	default:
		put := func(name, value, unit string) {
			if value != "" {
				body[name] = value + unit
			}
		}
		put("server", a.Server, "")
		put("pool", a.Pool, "")
		put("profile", a.Profile, "")
		if a.Do == "drain" {
			body["firm"] = a.Firm
			put("by", a.By, "")
			put("for", a.For, "m")
		}
		if a.Do != "ready" {
			body["force"] = a.Force
			put("wait", a.Wait, "s")
		}
	}
	return orderPaths[a.Do], body, ""
}

// pass has the API carry an order out, and returns its answer.
func (h *Handler) pass(r *http.Request, path, token string, body map[string]any) (code int, refusal string) {
	text, err := json.Marshal(body)
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	order, err := http.NewRequestWithContext(r.Context(), http.MethodPost, path, bytes.NewReader(text))
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	order.Header.Set("Authorization", "Bearer "+token)
	order.Header.Set("Content-Type", "application/json")
	order.RemoteAddr = r.RemoteAddr
	got := answer{head: make(http.Header), code: http.StatusOK}
	h.api.ServeHTTP(&got, order)
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(got.text.Bytes(), &said) != nil || said.Error == "" {
		said.Error = strings.TrimSpace(got.text.String())
	}
	return got.code, said.Error
}

// answer is a response that is kept.
type answer struct {
	head http.Header
	code int
	text bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.head }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) { return a.text.Write(p) }

// sheet writes the page of an order.
func (h *Handler) sheet(w http.ResponseWriter, code int, s *page.Sheet) {
	s.View, s.Changeable = h.view(), h.options.Token != ""
	var doc bytes.Buffer
	if err := page.RenderSheet(&doc, s); err != nil {
		writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", sheetPolicy)
	// Under no-referrer a browser hides from casbah that the form is its own.
	head.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(code)
	_, _ = w.Write(doc.Bytes()) // the client is gone if not
}
