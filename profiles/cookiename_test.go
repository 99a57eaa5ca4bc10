package profiles_test

import (
	"testing"

	"casbah/persistence"
	"casbah/profiles"
)

// The check of colliding cookie names means something only if the name is the
// one that persistence gives the cookie.
func TestCookieNameIsPersistences(t *testing.T) {
	for _, scope := range []string{"", "group owa_ecp pool cas", "vip mail pool cas profile powershell"} {
		if got, want := profiles.CookieName(scope), persistence.CookieName(scope); got != want {
			t.Errorf("CookieName(%q) = %s; persistence has %s", scope, got, want)
		}
	}
}
