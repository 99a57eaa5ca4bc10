package persistence

import (
	"bytes"

	"casbah/internal/httphead"
)

// probePage is what Exchange 2013 and later serve in each directory for the probes
// of load balancers, to whoever asks.
const probePage = "/healthcheck.htm"

// servesAnybody reports whether servers answer with success on that path whoever
// asks, so that it confirms nobody: a made-up name on it, each another one, would
// fill the table with confirmed bindings. Elsewhere below the directories whose
// chains read names, Exchange wants a login. That the request carries one is not
// asked for: where a page is for anybody, it is so for a made-up login as well.
func servesAnybody(path []byte) bool {
	tail := path[max(0, len(path)-3*len(probePage)):]
	var room [3 * len(probePage)]byte
	if bytes.IndexByte(tail, '%') >= 0 {
		tail, _ = appendUnescaped(room[:0], tail)
	}
	return len(tail) >= len(probePage) && httphead.EqualFold(tail[len(tail)-len(probePage):], probePage)
}
