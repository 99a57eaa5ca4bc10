package admin

import (
	"encoding/json"
	"iter"
	"net/http"

	"casbah/node"
)

// explainer says why requests go where they go.
type explainer interface {
	// Explain says where a request would go, or what is wrong with the question.
	Explain(q *node.Question) (*node.Explanation, error)
	// Decisions yields the newest decisions that are kept, newest first.
	Decisions(f node.DecisionFilter) iter.Seq[*node.Explanation]
}

// questionMax is the longest question, in octets: a head of the greatest
// head_bytes, in JSON.
const questionMax = 2 << 20

// explain answers a question. It is a read, though a POST: a question may hold
// credentials, which belong into no address.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request) {
	var q node.Question
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, questionMax))
	in.DisallowUnknownFields()
	if err := in.Decode(&q); err != nil {
		// The error of the decoder may hold a value, and that may be a secret.
		writeError(w, http.StatusBadRequest, `want a JSON object of method, url, from, vip, and headers, a list of "Name: value"; at most 2 MiB`)
		return
	}
	e, err := h.source.Explain(&q)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, e)
}
