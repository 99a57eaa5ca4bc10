package httphead

import "iter"

// Parameters ranges over the parameters of a query as they stand, escapes and
// all: what stands between its begin, each & or ; and its end. Empty ones are
// left out.
func Parameters(query []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(query) > 0 {
			var p []byte
			if p, query = cutParameter(query); len(p) > 0 && !yield(p) {
				return
			}
		}
	}
}

// cutParameter takes the first parameter off a query.
func cutParameter(query []byte) (first, rest []byte) {
	for i, c := range query {
		if c == '&' || c == ';' {
			return query[:i], query[i+1:]
		}
	}
	return query, nil
}
