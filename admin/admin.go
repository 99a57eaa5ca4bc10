// Package admin is the operator's door: the page, the health answers for routers
// and the JSON API, on a listener of its own.
//
//	GET  /                    the page; /style.css, /page.js, /order.js and /icon.svg belong to it
//	GET  /order               the form of an order, and /order/confirm what it would do
//	POST /order               carry it out: the API's change, with the token in the form
//	GET  /healthz             200 while the process runs
//	GET  /readyz              200 while it takes traffic, 503 once it stops
//	GET  /healthz/vip/{name}  200 while the VIP has a server up, 503 if not, 404 if there is no such VIP
//	GET  /metrics             counters and states for Prometheus
//	GET  /api/v1/status       what runs, as JSON: type Status, whose names are stable
//	GET  /api/v1/shared       addresses that many clients share: type SharedAddresses
//	GET  /api/v1/events       the page's live part as server-sent events, every two seconds
//	POST /api/v1/explain      where a request would go, and why: a node.Question, answered by a node.Explanation
//	GET  /api/v1/probes       what probes came to last: a list of node.ProbeAnswer
//	POST /api/v1/probe        have probes run now: a node.ProbeFilter, answered by such a list
//	GET  /api/v1/decisions    the newest decisions of note as JSON lines, the last one an EndOfDecisions
//	POST /api/v1/drain        have bound clients alone use services: an OrderRequest, answered by an OrderAnswer; likewise
//	                          /api/v1/maintenance (nobody uses them) and /api/v1/ready (all do). 409 if no server would be left
//	POST /api/v1/timeout      how long bindings of a profile last without use, in place of what the file says
//	GET  /api/v1/log          the least level that is logged of each part; POST changes it
//	POST /api/v1/reload       take the configuration file anew; 422 with {"error"} if it is refused
//
// and of bindings, where the query is a filter, see docs/OPERATIONS.md:
//
//	GET    /api/v1/bindings         the bindings as JSON lines, the last one an EndOfBindings
//	GET    /api/v1/bindings/count   how many, by server, scope and step: type BindingCount
//	POST   /api/v1/bindings/lookup  those of a client, told by a BindingLookup: a list of FoundBinding
//	DELETE /api/v1/bindings         delete them: type Deleted
//
// Who may ask:
//
//   - Health answers are open: they tell what a connection to the VIP tells, and
//     routers cannot carry a token.
//   - Other reads are open on loopback. Elsewhere they need the token, as
//     "Authorization: Bearer", or as the password of Basic, which a browser
//     asks for.
//   - Changes need the token as Bearer, everywhere: a browser never adds that by
//     itself, so no foreign page can cause a change. The forms of /order have a
//     field for it, which nothing but a person fills.
//   - On loopback the Host must name this machine, so that a foreign page whose
//     name is bound to 127.0.0.1 (DNS rebinding) reads nothing.
package admin

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"casbah/node"
)

// Source is what the handler shows and changes: a *node.Node.
type Source interface {
	// Status returns what the node is and does now.
	Status() node.Status
	// VIPUp reports whether the VIP has a server up, and whether there is one of that name.
	VIPUp(name string) (up, known bool)
	// Ready reports whether the node takes traffic.
	Ready() bool
	// Reload takes the configuration file anew, or says why not and keeps the old one.
	Reload(ctx context.Context) error
	bindingSource
	explainer
	prober
	timekeeper
	logger
	commander
}

// Options say who may use a Handler.
type Options struct {
	// Token is the secret that changes need, and reads off loopback. Empty:
	// changes are refused, and off loopback reads as well.
	Token string
	// Loopback says that the listener's address is a loopback address.
	Loopback bool
	// Host is the host of [admin] listen; on loopback a request may name it
	// besides localhost and loopback addresses.
	Host string
	// Log takes what the HTTP server itself complains of. The zero value is silent.
	Log zerolog.Logger
}

// Handler answers on the admin listener.
type Handler struct {
	source  Source
	options Options
	token   [sha256.Size]byte // of Options.Token
	past    history
	live    stream
	api     http.Handler // without what browsers are told and asked
	root    http.Handler

	listings  chan struct{} // a place for each that is under way
	chunkTime time.Duration // for a client to take a chunk of one
}

// New returns the handler for n. Run, which Serve calls, makes its rates and
// its live page.
func New(n Source, o Options) *Handler {
	h := &Handler{source: n, options: o, token: sha256.Sum256([]byte(o.Token))}
	h.live.init()
	h.listings, h.chunkTime = make(chan struct{}, maxListings), frameTimeout
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", h.read(h.page))
	for _, name := range []string{"style.css", "page.js", "order.js", "icon.svg"} {
		mux.Handle("GET /"+name, h.read(asset(name)))
	}
	mux.Handle("GET /order", h.read(h.ask))
	mux.Handle("GET /order/confirm", h.read(h.confirm))
	mux.Handle("POST /order", h.read(h.carryOut)) // it asks for the token itself
	mux.HandleFunc("GET /healthz", h.health)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /healthz/vip/{name}", h.vip)
	mux.Handle("GET /metrics", h.read(h.metrics()))
	mux.Handle("GET /api/v1/status", h.read(h.status))
	mux.Handle("GET /api/v1/shared", h.read(h.shared))
	mux.Handle("GET /api/v1/events", h.read(h.events))
	mux.Handle("POST /api/v1/reload", h.change(h.reload))
	mux.Handle("POST /api/v1/timeout", h.change(h.timeout))
	mux.Handle("GET /api/v1/log", h.read(h.logLevels))
	mux.Handle("POST /api/v1/log", h.change(h.setLogLevel))
	mux.Handle("POST /api/v1/drain", h.change(h.order("drain")))
	mux.Handle("POST /api/v1/maintenance", h.change(h.order("maintenance")))
	mux.Handle("POST /api/v1/ready", h.change(h.order("ready")))
	mux.Handle("POST /api/v1/explain", h.read(h.explain))
	mux.Handle("GET /api/v1/probes", h.read(h.probes))
	mux.Handle("POST /api/v1/probe", h.change(h.probe))
	mux.Handle("GET /api/v1/decisions", h.read(h.decisions))
	mux.Handle("GET /api/v1/bindings", h.read(h.bindings))
	mux.Handle("GET /api/v1/bindings/count", h.read(h.countBindings))
	mux.Handle("POST /api/v1/bindings/lookup", h.read(h.findBindings))
	mux.Handle("DELETE /api/v1/bindings", h.change(h.deleteBindings))
	h.api = mux
	h.root = secured(h.local(http.NewCrossOriginProtection().Handler(mux)))
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.root.ServeHTTP(w, r) }
