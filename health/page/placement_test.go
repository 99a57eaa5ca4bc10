package page_test

import (
	"testing"

	"casbah/health/page"
)

func TestPlacementLine(t *testing.T) {
	tests := []struct {
		p    page.Placement
		want string
	}{
		{page.Placement{}, "no answer has told where a mailbox is"},
		{page.Placement{Told: 1}, "0% of 1 request went sideways, to the server of the mailbox"},
		{page.Placement{Told: 3, Crossed: 2}, "67% of 3 requests went sideways, to the server of the mailbox"},
		{page.Placement{Told: 1000, Crossed: 1}, "under 1% of 1,000 requests went sideways, to the server of the mailbox"},
		{page.Placement{Told: 1000, Crossed: 999, Unknown: 7}, "over 99% of 1,000 requests went sideways, to the server of the mailbox; 7 named none of the pool's"},
		{page.Placement{Told: 5, Crossed: 5}, "100% of 5 requests went sideways, to the server of the mailbox"},
	}
	for _, tt := range tests {
		if got := tt.p.Line(); got != tt.want {
			t.Errorf("%+v: %q; want %q", tt.p, got, tt.want)
		}
	}
}
