package profiles

import (
	"regexp"
	"testing"
)

// S47 S81: the name is nobody else's, and each scope's its own.
func TestCookieName(t *testing.T) {
	a, b := CookieName("mail/owa"), CookieName("mail/ecp")
	if !regexp.MustCompile(`^CASBAH_[A-Z]{4}$`).MatchString(a) || a == b {
		t.Errorf("names %q and %q; want two of CASBAH_ and four letters", a, b)
	}
	// Another name after an upgrade would lose every session.
	if got, want := CookieName("outlook-web"), "CASBAH_WJSE"; got != want {
		t.Errorf("CookieName = %q; want %q", got, want)
	}
}
