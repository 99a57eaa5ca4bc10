package page

// bar is a share of something, drawn as a line that fills.
type bar struct {
	Percent int
	High    bool // close to a limit
}

// fill is n of a limit that it is bad to reach.
func fill(n, limit int) bar { return bar{percent(n, limit), full(n, limit)} }

// part is n of a whole.
func part(n, whole int) bar { return bar{Percent: percent(n, whole)} }

// percent is n of whole, between 0 and 100; anything above nothing shows.
func percent(n, whole int) int {
	if n <= 0 || whole <= 0 {
		return 0
	}
	return max(1, min(100, 100*n/whole))
}
