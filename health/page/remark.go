package page

import (
	"fmt"
	"strings"
)

// Remark is what else the row says of the server.
func (s *Server) Remark() string {
	var b strings.Builder
	if s.Backup {
		b.WriteString(" · backup")
	}
	if s.Limit > 0 {
		fmt.Fprintf(&b, " · %s of %s places", count(s.Active), count(int64(s.Limit)))
	}
	if s.Waiting > 0 {
		fmt.Fprintf(&b, ", %s waiting", count(int64(s.Waiting)))
	}
	return b.String()
}
