package admin

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// squeezed is an answer that leaves compressed if the client takes that: a frame of
// the live page shrinks to a tenth, which a phone far away notices. It holds no
// secret, whose length could tell of it.
type squeezed struct {
	io.Writer
	flush []func() error
}

// squeeze returns where to write the answer to r; its head is still to come.
func squeeze(w http.ResponseWriter, r *http.Request) squeezed {
	out := http.NewResponseController(w)
	w.Header().Add("Vary", "Accept-Encoding")
	if !takesGzip(r.Header.Values("Accept-Encoding")) {
		return squeezed{w, []func() error{out.Flush}}
	}
	w.Header().Set("Content-Encoding", "gzip")
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic("BUG: " + err.Error()) // the level is one
	}
	return squeezed{zip, []func() error{zip.Flush, out.Flush}}
}

// Flush has all that was written leave.
func (s squeezed) Flush() error {
	for _, f := range s.flush {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the answer.
func (s squeezed) Close() error {
	if zip, ok := s.Writer.(*gzip.Writer); ok {
		return zip.Close()
	}
	return nil
}

// takesGzip reads Accept-Encoding, RFC 9110, Section 12.5.3.
func takesGzip(fields []string) bool {
	for _, field := range fields {
		for entry := range strings.SplitSeq(field, ",") {
			coding, params, _ := strings.Cut(entry, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			weight, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !found || err == nil && q > 0
		}
	}
	return false
}
