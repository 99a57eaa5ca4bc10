package page_test

import (
	"testing"

	"casbah/health/page"
)

func TestRemark(t *testing.T) {
	for _, tt := range []struct {
		server page.Server
		want   string
	}{
		{page.Server{Active: 3}, ""},
		{page.Server{Backup: true}, " · backup"},
		{page.Server{Active: 3, Limit: 5}, " · 3 of 5 places"},
		{page.Server{Backup: true, Active: 5, Limit: 5, Waiting: 2}, " · backup · 5 of 5 places, 2 waiting"},
	} {
		if got := tt.server.Remark(); got != tt.want {
			t.Errorf("%+v: %q; want %q", tt.server, got, tt.want)
		}
	}
}
