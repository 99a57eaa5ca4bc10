package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets the page load its own files and nothing else, run no inline code,
// and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// secured sets what browsers should refuse on the operator's behalf.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// local refuses, on loopback, a Host that does not name this machine: reads are
// open there, and a browser would hand them to any site whose name resolves to
// 127.0.0.1 (DNS rebinding).
func (h *Handler) local(next http.Handler) http.Handler {
	if !h.options.Loopback {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !trusted(r) && !h.names(r.Host) {
			http.Error(w, "this host name is not served here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// names reports whether a Host field names this machine. None at all is what an
// HTTP/1.0 health check sends, and no browser.
func (h *Handler) names(field string) bool {
	host := field
	if name, _, err := net.SplitHostPort(field); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return host == "" || strings.EqualFold(host, "localhost") || strings.EqualFold(host, h.options.Host)
}

// read admits everybody on loopback, elsewhere who has the token or came through a
// socket.
func (h *Handler) read(next http.HandlerFunc) http.Handler {
	if h.options.Loopback {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if trusted(r) || h.admits(bearer(r)) || h.admits(password) {
			next(w, r)
			return
		}
		w.Header().Add("WWW-Authenticate", `Basic realm="casbah: any name, the token as password", charset="UTF-8"`)
		h.refuse(w)
	})
}

// change admits who has the token as Bearer, or came through a socket, which no
// browser does. Basic does not do: a browser adds it to what a foreign page sends.
func (h *Handler) change(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if trusted(r) || h.admits(bearer(r)) {
			next(w, r)
			return
		}
		h.refuse(w)
	})
}

// refuse answers a request without the token.
func (h *Handler) refuse(w http.ResponseWriter) {
	if h.options.Token == "" {
		w.Header().Del("WWW-Authenticate")
		writeError(w, http.StatusForbidden, "this needs a token, and [admin] token_file is not set; the socket needs none")
		return
	}
	w.Header().Add("WWW-Authenticate", `Bearer realm="casbah"`)
	writeError(w, http.StatusUnauthorized, "this needs the token of [admin] token_file")
}

// bearer returns the token that the request presents, or "".
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// admits compares in a time that tells neither the token nor its length.
func (h *Handler) admits(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1 && h.options.Token != ""
}
